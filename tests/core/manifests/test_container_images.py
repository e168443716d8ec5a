"""Images of the containers of manifests."""

from typing import Any

import pytest

from gitops.core.images.reference import Image
from gitops.core.manifests import container_images
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key

DIGEST = "sha256:" + "0" * 64
POD = {"containers": [{"image": f"h.x/a:1@{DIGEST}"}, {"image": "$BAD"}], "initContainers": [{"image": "h.x/b"}]}


def manifest(kind: str, spec: object) -> Manifest:
    return Manifest(Key("", kind, "dev", "x"), {"apiVersion": "v1", "kind": kind, "spec": spec}, "hash")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (POD, {Image("h.x/a", "1", DIGEST), Image("h.x/b")}),
        ({"template": {"spec": {"containers": [{"image": "h.x/c:2"}]}}}, {Image("h.x/c", "2")}),
        ({"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "h.x/d"}]}}}}}, {Image("h.x/d")}),
        ({"ephemeralContainers": [{"image": "h.x/e"}]}, {Image("h.x/e")}),
        ({"containers": [{"image": 7}, None, {}]}, set()),
        ({"containers": "text", "template": []}, set()),
        (None, set()),
    ],
)
def test_container_images_of_one_object(spec: Any, expected: set[Image]) -> None:
    assert container_images.images_of(manifest("Any", spec).body) == expected


def test_container_images_of_every_container_of_every_workload() -> None:
    deployment = manifest("Deployment", {"template": {"spec": POD}})
    cron_job = manifest(
        "CronJob", {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "h.x/c:2"}]}}}}}
    )
    pod = manifest("Pod", {"containers": [{"image": "h.x/d"}]})
    config = Manifest(Key("", "ConfigMap", "dev", "m"), {"kind": "ConfigMap", "data": {"image": "h.x/e"}}, "hash")
    found = [deployment, cron_job, pod, config]
    assert container_images.images(found) == {
        Image("h.x/a", "1", DIGEST),
        Image("h.x/b"),
        Image("h.x/c", "2"),
        Image("h.x/d"),
    }
    assert container_images.image_names(found) == {"h.x/a", "h.x/b", "h.x/c", "h.x/d"}
