"""Bodies in managed_fields/ were recorded: one Deployment through its life, and single writes to other kinds."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.ownership import field_ownership, live_object, other_tools

BODIES = Path(__file__).parent / "managed_fields"
OURS = "lockstep-test"
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
"""What the recorded Deployment was applied from."""


def body(name: str) -> Any:
    return yaml.safe_load((BODIES / f"{name}.yaml").read_text())


def fingerprint(name: str) -> str:
    return field_ownership.fingerprint(body(name), OURS)


def foreign(name: str) -> set[tuple[str, str]]:
    return {(found.field, found.manager) for found in live_object.observe(body(name), OURS).foreign}


def lost(name: str) -> dict[str, str]:
    """Fields of the manifest that are ours no more -> who has them."""
    live = body(name)
    paths = field_ownership.lost_fields(
        field_ownership.declared_fields(DEPLOYMENT), field_ownership.owned_fields(live, OURS)
    )
    return {found.field: found.manager for found in field_ownership.writers(live, paths)}


def test_observes_identity_bookkeeping_and_the_replicas_that_are_ours() -> None:
    live = body("deployment-ours")
    live["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = "applyset-x-v1"

    seen = live_object.observe(live, OURS)

    assert seen.key == Key("apps", "Deployment", "rec", "order")
    assert (seen.uid, seen.resource_version) == (live["metadata"]["uid"], live["metadata"]["resourceVersion"])
    assert (seen.generation, seen.part_of, seen.replicas, seen.deleting) == (1, "applyset-x-v1", 3, False)


def test_metadata_alone_is_enough_where_health_has_no_rule() -> None:
    whole = body("configmap-patched")
    metadata_only = {name: part for name, part in whole.items() if name in {"apiVersion", "kind", "metadata"}}

    assert live_object.observe(metadata_only, OURS) == live_object.observe(whole, OURS)


def test_a_deleted_object_is_seen_as_deleting() -> None:
    live = body("configmap-ours")
    live["metadata"]["deletionTimestamp"] = "2026-11-23T23:00:00Z"

    seen = live_object.observe(live, OURS)

    assert (seen.deleting, seen.health) == (True, Health.PROGRESSING)


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


class TestForeign:
    def test_an_addition_of_a_console_survives_healing_and_is_named_whole(self) -> None:
        assert foreign("deployment-console-healed") == {(f"{APP}/env/DEBUG", "ks-console")}

    def test_says_when_and_how(self) -> None:
        (found,) = live_object.observe(body("deployment-console-healed"), OURS).foreign

        assert found.at is not None
        assert (found.at.isoformat()[:10], found.how) == ("2026-11-23", "Update")

    def test_a_restart_by_a_console_is_not_foreign(self) -> None:
        assert foreign("deployment-restarted") == set()

    @pytest.mark.parametrize(
        "annotation", ["kubesphere.io/restartedAt", "cattle.io/timestamp", "kubectl.kubernetes.io/restartedAt"]
    )
    def test_an_annotation_beside_a_restart_is_foreign(self, annotation: str) -> None:
        live = body("deployment-ours")
        added: dict[str, Any] = {"f:annotations": {".": {}, f"f:{annotation}": {}, "f:sidecar.istio.io/inject": {}}}
        tree = {"f:spec": {"f:template": {"f:metadata": added}}}
        live["metadata"]["managedFields"].append({"manager": "console", "operation": "Update", "fieldsV1": tree})

        found = live_object.observe(live, OURS).foreign

        assert [each.field for each in found] == ["/spec/template/metadata/annotations/sidecar.istio.io~1inject"]

    def test_scale_and_status_are_not_foreign(self) -> None:
        scaled, before = foreign("deployment-scaled"), foreign("deployment-patched")

        assert scaled == before

    def test_everything_that_a_patch_added_is_named(self) -> None:
        added = {field for field, manager in foreign("deployment-patched") if manager == "kubectl-patch"}

        assert {
            "/spec/minReadySeconds",
            "/spec/template/spec/containers/sidecar",
            "/spec/template/spec/nodeSelector",
            "/spec/template/spec/volumes/extra",
        } <= added

    def test_keys_of_config_maps_and_secrets(self) -> None:
        assert ("/data/c", "dashboard") in foreign("configmap-patched")
        assert ("/data/c", "dashboard") in foreign("secret-patched")

    def test_a_port_and_a_selector_of_a_service_but_not_its_defaults(self) -> None:
        assert foreign("service-patched") == {("/spec/ports/5005-TCP", "console"), ("/spec/selector", "console")}

    def test_rules_that_the_cluster_aggregates_are_not_foreign(self) -> None:
        assert foreign("clusterrole-aggregated") == set()

    def test_labels_that_the_job_controller_adds_are_not_foreign(self) -> None:
        assert foreign("job-ours") == set()

    def test_an_object_that_we_never_applied_has_none(self) -> None:
        assert live_object.observe(body("deployment-console"), "somebody-else").foreign == ()

    def test_labels_and_annotations_of_the_object_itself_belong_to_everybody(self) -> None:
        live = body("deployment-ours")
        tree: dict[str, Any] = {"f:metadata": {"f:labels": {"f:team": {}}, "f:finalizers": {'v:"x"': {}}}}
        live["metadata"]["managedFields"].append({"manager": "rancher", "operation": "Update", "fieldsV1": tree})

        assert live_object.observe(live, OURS).foreign == ()


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


class TestOwner:
    @pytest.mark.parametrize(
        ("where", "name", "value", "owner", "tool"),
        [
            (
                "annotations",
                "argocd.argoproj.io/tracking-id",
                "shop:/ConfigMap:rec/c",
                "Argo CD (tracking-id shop:",
                "argocd",
            ),
            ("labels", "kustomize.toolkit.fluxcd.io/name", "apps", "Flux (Kustomization apps)", "flux"),
            ("labels", "helm.toolkit.fluxcd.io/name", "apps", "Flux (HelmRelease apps)", "flux"),
            (
                "annotations",
                "objectset.rio.cattle.io/id",
                "default-fleet",
                "Rancher Fleet (objectset default-fleet)",
                "fleet",
            ),
            ("annotations", "meta.helm.sh/release-name", "shop", "Helm (release shop)", "helm"),
            ("labels", "app.kubernetes.io/managed-by", "Helm", "Helm", "helm"),
        ],
    )
    def test_marks_of_other_tools(self, where: str, name: str, value: str, owner: str, tool: str) -> None:
        live = body("configmap-ours")
        live["metadata"].setdefault(where, {})[name] = value

        found = live_object.observe(live, OURS).owner

        assert found.startswith(owner)
        assert [each for each in ("argocd", "flux", "fleet", "helm") if other_tools.is_among(found, [each])] == [tool]

    def test_no_mark_no_owner(self) -> None:
        live = body("configmap-ours")
        live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "lockstep"}

        assert live_object.observe(live, OURS).owner == ""

    def test_a_mark_that_only_our_own_manifest_wrote_is_none(self) -> None:
        live = body("configmap-ours")
        live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
        mark: dict[str, Any] = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}}}
        ours = live["metadata"]["managedFields"][0]
        ours["fieldsV1"] |= mark

        assert live_object.observe(live, OURS).owner == ""
        live["metadata"]["managedFields"].append(ours | {"manager": "helm", "operation": "Update", "fieldsV1": mark})
        assert live_object.observe(live, OURS).owner == "Helm"


def test_paths_name_items_by_their_keys_and_escape_slashes() -> None:
    ours = field_ownership.owned_fields(body("deployment-ours"), OURS)

    assert f"{APP}/volumeMounts/~1tmp~1x/mountPath" in ours
    assert f"{APP}/ports/8080-TCP/containerPort" in ours
    assert f"{APP}/resources/requests/memory" in ours


def test_declared_leaves_out_identity_status_and_null() -> None:
    manifest = copy.deepcopy(DEPLOYMENT) | {"status": {"replicas": 1}}
    manifest["spec"]["paused"] = None
    manifest["metadata"]["creationTimestamp"] = None

    assert field_ownership.declared_fields(manifest) == field_ownership.declared_fields(DEPLOYMENT)
    assert "/metadata/labels/app" in field_ownership.declared_fields(DEPLOYMENT)
    assert not any(path.startswith("/metadata/name") for path in field_ownership.declared_fields(DEPLOYMENT))
