"""The rules of ownership and diff against what a real API server answers: the recorded bodies must not grow old."""

from typing import Any

import pytest
from kubernetes import client

from gitops.core.ownership import field_ownership, live_object
from gitops.core.sync import diff
from tests.worlds.control_plane import SharedControlPlane

OURS = "lockstep-test"
APP = "/spec/template/spec/containers/app"
APPLY, MERGE, JSON_PATCH = (
    f"application/{kind}" for kind in ("apply-patch+yaml", "merge-patch+json", "json-patch+json")
)


class LiveDeployment:
    """A Deployment as a console, an autoscaler and we write to it. Every write returns the live body."""

    def __init__(self, control_plane: SharedControlPlane) -> None:
        self._api = control_plane.api
        self._apps = client.AppsV1Api(control_plane.api)
        self.namespace = control_plane.namespace("ownership")
        self.manifest: dict[str, Any] = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "order", "namespace": self.namespace, "labels": {"app": "order"}},
            "spec": {
                "replicas": 1,
                "minReadySeconds": 0,
                "selector": {"matchLabels": {"app": "order"}},
                "template": {"metadata": {"labels": {"app": "order"}}, "spec": {"containers": [self._container()]}},
            },
        }

    @staticmethod
    def _container() -> dict[str, Any]:
        return {
            "name": "app",
            "image": "harbor.example/order:1.0",
            "args": ["--a", "--b"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "EMPTY", "value": ""}],
            "stdin": False,
            "volumeMounts": [],
            "lifecycle": None,
            "ports": [{"containerPort": 8080}],
            "resources": {"requests": {"cpu": "1000m", "memory": "65536Ki"}},
            "securityContext": {},
        }

    def apply(self, *, dry_run: bool = False) -> Any:
        more = {"dry_run": "All"} if dry_run else {}
        return self._patched(self.manifest, APPLY, OURS, force=True, **more)

    def patch(self, body: Any, content_type: str, manager: str) -> Any:
        return self._patched(body, content_type, manager)

    def replace(self, body: Any, manager: str) -> Any:
        written = self._apps.replace_namespaced_deployment("order", self.namespace, body, field_manager=manager)
        return self._api.sanitize_for_serialization(written)

    def scale(self, replicas: int, manager: str) -> Any:
        self._apps.patch_namespaced_deployment_scale(
            "order", self.namespace, {"spec": {"replicas": replicas}}, field_manager=manager, _content_type=MERGE
        )
        return self._api.sanitize_for_serialization(self._apps.read_namespaced_deployment("order", self.namespace))

    def _patched(self, body: Any, content_type: str, manager: str, **more: Any) -> Any:
        written = self._apps.patch_namespaced_deployment(
            "order", self.namespace, body, field_manager=manager, _content_type=content_type, **more
        )
        return self._api.sanitize_for_serialization(written)

    def lost(self, live: Any) -> dict[str, str]:
        paths = field_ownership.lost_fields(
            field_ownership.declared_fields(self.manifest), field_ownership.owned_fields(live, OURS)
        )
        return {found.field: found.manager for found in field_ownership.writers(live, paths)}


@pytest.fixture
def deployment(control_plane: SharedControlPlane) -> LiveDeployment:
    return LiveDeployment(control_plane)


def _foreign(live: Any) -> dict[str, str]:
    return {found.field: found.manager for found in live_object.observe(live, OURS).foreign}


def _changes(live: Any, preview: Any) -> list[tuple[str, str | None]]:
    """Without the revision that the Deployment's controller notes between the two requests."""
    revision = "/metadata/annotations/deployment.kubernetes.io~1revision"
    return [(change.field, change.new) for change in diff.changes(live, preview) if change.field != revision]


def test_field_ownership_after_an_apply_has_everything_that_was_declared(deployment: LiveDeployment) -> None:
    live = deployment.apply()

    assert deployment.lost(live) == {}
    assert _foreign(live) == {}
    assert diff.declared_changes(deployment.manifest, live) == ()
    assert _changes(live, deployment.apply(dry_run=True)) == []


def test_field_ownership_of_a_console_edit_is_healed_and_its_addition_stays_foreign(deployment: LiveDeployment) -> None:
    applied = deployment.apply()
    edited = deployment.apply()
    container = edited["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "harbor.example/order:9.9"
    container["env"].append({"name": "DEBUG", "value": "1"})
    edited["spec"]["template"]["metadata"]["annotations"] = {"kubesphere.io/restartedAt": "2026-11-23T10:00:00Z"}
    del edited["metadata"]["resourceVersion"], edited["metadata"]["managedFields"]

    drifted = deployment.replace(edited, "ks-console")
    healing = _changes(drifted, deployment.apply(dry_run=True))
    healed = deployment.apply()

    before, between, after = (field_ownership.fingerprint(live, OURS) for live in (applied, drifted, healed))
    assert before == after != between
    assert deployment.lost(drifted) == {f"{APP}/image": "ks-console"}
    assert healing == [(f"{APP}/image", "harbor.example/order:1.0")]
    assert deployment.lost(healed) == {}
    assert _foreign(healed) == {f"{APP}/env/DEBUG": "ks-console"}


def test_field_ownership_of_removed_fields_is_empty(deployment: LiveDeployment) -> None:
    deployment.apply()

    live = deployment.patch(
        [{"op": "remove", "path": "/spec/template/spec/containers/0/env/1"}], JSON_PATCH, "somebody"
    )

    assert deployment.lost(live) == {f"{APP}/env/B/name": "", f"{APP}/env/B/value": ""}


def test_field_ownership_of_a_list_without_keys_is_lost_whole(deployment: LiveDeployment) -> None:
    deployment.apply()

    live = deployment.patch(
        [{"op": "replace", "path": "/spec/template/spec/containers/0/args/1", "value": "--c"}], JSON_PATCH, "somebody"
    )

    assert deployment.lost(live) == {f"{APP}/args": "somebody"}
    assert field_ownership.writers(live, [f"{APP}/args/1"])[0].manager == "somebody"


def test_field_ownership_of_scaled_replicas_is_lost_and_not_foreign(deployment: LiveDeployment) -> None:
    applied = deployment.apply()

    scaled = deployment.scale(2, "autoscaler")

    assert (live_object.observe(applied, OURS).replicas, live_object.observe(scaled, OURS).replicas) == (1, None)
    assert deployment.lost(scaled) == {"/spec/replicas": "autoscaler"}
    assert _foreign(scaled) == {}
