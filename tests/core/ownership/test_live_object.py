"""Live objects, reduced to the facts that a pass needs."""

from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.ownership import live_object
from tests.worlds.managed_fields import OURS, body


def test_live_object_has_identity_bookkeeping_and_the_replicas_that_are_ours() -> None:
    live = body("deployment-ours")
    live["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = "applyset-x-v1"

    seen = live_object.observe(live, OURS)

    assert seen.key == Key("apps", "Deployment", "rec", "order")
    assert (seen.uid, seen.resource_version) == (live["metadata"]["uid"], live["metadata"]["resourceVersion"])
    assert (seen.generation, seen.part_of, seen.replicas, seen.deleting) == (1, "applyset-x-v1", 3, False)


def test_live_object_needs_only_metadata_if_health_has_no_rule() -> None:
    whole = body("configmap-patched")
    metadata_only = {name: part for name, part in whole.items() if name in {"apiVersion", "kind", "metadata"}}

    assert live_object.observe(metadata_only, OURS) == live_object.observe(whole, OURS)


def test_live_object_that_is_being_deleted() -> None:
    live = body("configmap-ours")
    live["metadata"]["deletionTimestamp"] = "2026-11-23T23:00:00Z"

    seen = live_object.observe(live, OURS)

    assert (seen.deleting, seen.health) == (True, Health.PROGRESSING)
