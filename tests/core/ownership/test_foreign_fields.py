"""Fields that other managers added: recorded bodies -> paths and managers."""

from typing import Any

import pytest

from gitops.core.ownership import foreign_fields
from tests.worlds.managed_fields import OURS, body

APP = "/spec/template/spec/containers/app"


def foreign(name: str) -> set[tuple[str, str]]:
    return {(found.field, found.manager) for found in foreign_fields.additions(body(name), OURS)}


class TestForeignFields:
    def test_an_addition_of_a_console_survives_healing_and_is_named_whole(self) -> None:
        assert foreign("deployment-console-healed") == {(f"{APP}/env/DEBUG", "ks-console")}

    def test_says_when_and_how(self) -> None:
        (found,) = foreign_fields.additions(body("deployment-console-healed"), OURS)

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

        found = foreign_fields.additions(live, OURS)

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
        assert foreign_fields.additions(body("deployment-console"), "somebody-else") == ()

    def test_labels_and_annotations_of_the_object_itself_belong_to_everybody(self) -> None:
        live = body("deployment-ours")
        tree: dict[str, Any] = {"f:metadata": {"f:labels": {"f:team": {}}, "f:finalizers": {'v:"x"': {}}}}
        live["metadata"]["managedFields"].append({"manager": "rancher", "operation": "Update", "fieldsV1": tree})

        assert foreign_fields.additions(live, OURS) == ()
