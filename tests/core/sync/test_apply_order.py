"""The order in which objects are applied."""

import pytest

from gitops.core.errors import Rejected
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import key
from gitops.core.sync import apply_order
from gitops.core.sync.plan import Create


def create(kind: str, name: str, *, api: str = "v1", wave: str | None = None) -> Create:
    annotations = {"argocd.argoproj.io/sync-wave": wave} if wave is not None else {}
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "annotations": annotations}}
    return Create(Manifest(key(body), body, ""))


def test_apply_order_has_namespaces_first_and_admission_last() -> None:
    steps = [
        create("ValidatingWebhookConfiguration", "w", api="admissionregistration.k8s.io/v1"),
        create("Deployment", "d", api="apps/v1"),
        create("ConfigMap", "c"),
        create("PriorityClass", "p", api="scheduling.k8s.io/v1"),
        create("Namespace", "n"),
    ]
    names = [[step.key.name for step in group] for _, _, group in apply_order.groups(steps)]
    assert names == [["n"], ["p"], ["c"], ["d"], ["w"]]


def test_apply_order_has_waves_before_kinds_also_negative_ones() -> None:
    steps = [
        create("ConfigMap", "late", wave="1"),
        create("Deployment", "d", api="apps/v1"),
        create("Job", "early", wave="-1"),
    ]
    assert [group[0].key.name for _, _, group in apply_order.groups(steps)] == ["early", "d", "late"]


def test_apply_order_groups_independent_objects() -> None:
    ((_, _, group),) = apply_order.groups([create("Service", "a"), create("Service", "b")])
    assert {step.key.name for step in group} == {"a", "b"}


def test_apply_order_refuses_a_wave_that_is_no_number_by_name() -> None:
    with pytest.raises(Rejected, match=r"ConfigMap x.*sync-wave must be a whole number"):
        apply_order.groups([create("ConfigMap", "x", wave="first")])
