"""The paths of pods and containers in objects."""

import pytest

from gitops.core.contract.comparison import pod_paths


@pytest.mark.parametrize(
    ("path", "of_pod", "of_container", "in_template"),
    [
        ("/spec/containers/app/image", True, True, False),
        ("/spec/template/spec/containers/app/image", True, True, True),
        ("/spec/template/spec/initContainers/app/image", True, True, True),
        ("/spec/template/spec/ephemeralContainers/debug/image", True, False, True),
        ("/spec/jobTemplate/spec/template/spec/containers/app/image", True, True, True),
        ("/spec/driver/containers/app/image", False, True, False),
        ("/spec/image", False, False, False),
        ("/spec/template/spec/containers/app/imagePullPolicy", False, False, True),
        ("/data/containers/app/image", False, True, False),
        ("/spec/template/metadata/labels/a", False, False, False),
    ],
)
def test_pod_paths(path: str, *, of_pod: bool, of_container: bool, in_template: bool) -> None:
    assert pod_paths.is_image_of_pod(path) is of_pod
    assert pod_paths.is_image_of_container(path) is of_container
    assert pod_paths.is_in_pod_template(path) is in_template
