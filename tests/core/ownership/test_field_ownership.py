"""Bodies in managed_fields/ were recorded: one Deployment through its life, and single writes to other kinds."""

import copy

import pytest
import yaml

from gitops.core.ownership import field_ownership, live_object
from tests.worlds.managed_fields import OURS, body

APP = "/spec/template/spec/containers/app"
DEPLOYMENT = yaml.safe_load(
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: order, namespace: rec, labels: {app: order}}
    spec:
      replicas: 3
      selector: {matchLabels: {app: order}}
      template:
        metadata: {labels: {app: order}}
        spec:
          terminationGracePeriodSeconds: 0
          nodeSelector: {}
          imagePullSecrets: [{name: harbor-pull}]
          containers:
          - name: app
            image: harbor.example/order:1.0
            args: [--a, --b]
            ports: [{containerPort: 8080}]
            env: [{name: A, value: "1"}, {name: B, value: "2"}]
            resources: {requests: {cpu: 100m, memory: 64Mi}}
            volumeMounts: [{name: tmp, mountPath: /tmp/x}]
          volumes: [{name: tmp, emptyDir: {}}]
    """
)
"""The manifest from which the recorded Deployment was applied."""


def fingerprint(name: str) -> str:
    return field_ownership.fingerprint(body(name), OURS)


def lost(name: str) -> dict[str, str]:
    """Fields of the manifest that are ours no more -> who has them."""
    live = body(name)
    paths = field_ownership.lost_fields(
        field_ownership.declared_fields(DEPLOYMENT), field_ownership.owned_fields(live, OURS)
    )
    return {found.field: found.manager for found in field_ownership.writers(live, paths)}


class TestFingerprint:
    def test_stays_when_the_same_is_applied_again(self) -> None:
        again = body("deployment-reapplied")
        again["metadata"]["managedFields"][0]["time"] = "2030-01-01T00:00:00Z"

        assert field_ownership.fingerprint(again, OURS) == fingerprint("deployment-ours")

    @pytest.mark.parametrize("name", ["console", "patched", "scaled", "removed"])
    def test_changes_when_somebody_changes_or_removes_a_field_of_ours(self, name: str) -> None:
        assert fingerprint(f"deployment-{name}") != fingerprint("deployment-ours")

    @pytest.mark.parametrize("name", ["console-healed", "restarted"])
    def test_stays_when_somebody_only_adds(self, name: str) -> None:
        assert fingerprint(f"deployment-{name}") == fingerprint("deployment-ours")

    def test_is_empty_for_an_object_that_we_never_applied(self) -> None:
        assert field_ownership.fingerprint(body("deployment-ours"), "somebody-else") == ""

    def test_ignores_what_we_wrote_by_other_means_than_apply(self) -> None:
        live = body("configmap-ours")
        entry = live["metadata"]["managedFields"][0]
        live["metadata"]["managedFields"] = [entry | {"operation": "Update", "fieldsV1": {"f:data": {}}}, entry]

        assert field_ownership.fingerprint(live, OURS) == fingerprint("configmap-ours")

    def test_is_blind_to_changes_of_what_was_applied_as_string_data(self) -> None:
        """The server keeps our ownership under stringData and theirs under data: manifests must not use stringData."""
        assert fingerprint("secret-patched") == fingerprint("secret-ours")


class TestLostAndWriters:
    def test_nothing_is_lost_right_after_an_apply(self) -> None:
        assert lost("deployment-ours") == {}
        assert lost("deployment-console-healed") == {}

    def test_a_console_took_the_image(self) -> None:
        assert lost("deployment-console") == {f"{APP}/image": "ks-console"}

    def test_an_atomic_list_is_lost_whole_and_a_removed_item_has_no_owner(self) -> None:
        assert lost("deployment-patched") == {
            f"{APP}/args": "kubectl-patch",
            f"{APP}/env/A/name": "",
            f"{APP}/env/A/value": "",
            "/spec/template/spec/nodeSelector": "kubectl-patch",
        }

    def test_removed_fields_have_no_owner(self) -> None:
        assert lost("deployment-removed") == {
            f"{APP}/env/B/name": "",
            f"{APP}/env/B/value": "",
            "/spec/template/spec/imagePullSecrets": "",
        }

    def test_an_autoscaler_took_the_replicas_by_the_scale_subresource(self) -> None:
        live = body("deployment-scaled")

        (found,) = field_ownership.writers(live, ["/spec/replicas"])

        assert (found.manager, found.how) == ("kube-controller-manager", "Update of scale")
        assert live_object.observe(live, OURS).replicas is None

    def test_a_path_inside_an_atomic_field_leads_to_the_owner_of_the_field(self) -> None:
        (found,) = field_ownership.writers(body("deployment-patched"), [f"{APP}/args/1"])

        assert found.manager == "kubectl-patch"

    def test_two_observations_can_be_compared_too(self) -> None:
        before, after = (field_ownership.owned_fields(body(f"configmap-{name}"), OURS) for name in ("ours", "patched"))

        assert field_ownership.lost_fields(before, after) == ("/data/a", "/data/b")


def test_owned_fields_name_items_by_their_keys_and_escape_slashes() -> None:
    ours = field_ownership.owned_fields(body("deployment-ours"), OURS)

    assert f"{APP}/volumeMounts/~1tmp~1x/mountPath" in ours
    assert f"{APP}/ports/8080-TCP/containerPort" in ours
    assert f"{APP}/resources/requests/memory" in ours


def test_declared_fields_leave_out_identity_status_and_null() -> None:
    manifest = copy.deepcopy(DEPLOYMENT) | {"status": {"replicas": 1}}
    manifest["spec"]["paused"] = None
    manifest["metadata"]["creationTimestamp"] = None

    assert field_ownership.declared_fields(manifest) == field_ownership.declared_fields(DEPLOYMENT)
    assert "/metadata/labels/app" in field_ownership.declared_fields(DEPLOYMENT)
    assert not any(path.startswith("/metadata/name") for path in field_ownership.declared_fields(DEPLOYMENT))
