"""Marks of other GitOps tools on live objects -> the title of the tool."""

from typing import Any

import pytest

from gitops.core.ownership import other_tools
from tests.worlds.managed_fields import OURS, body


class TestOtherTools:
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

        found = other_tools.owner(live, OURS)

        assert found.startswith(owner)
        assert [each for each in ("argocd", "flux", "fleet", "helm") if other_tools.is_among(found, [each])] == [tool]

    def test_no_mark_no_owner(self) -> None:
        live = body("configmap-ours")
        live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "lockstep"}

        assert other_tools.owner(live, OURS) == ""

    def test_a_mark_that_only_our_own_manifest_wrote_is_none(self) -> None:
        live = body("configmap-ours")
        live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
        mark: dict[str, Any] = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}}}
        ours = live["metadata"]["managedFields"][0]
        ours["fieldsV1"] |= mark

        assert other_tools.owner(live, OURS) == ""
        live["metadata"]["managedFields"].append(ours | {"manager": "helm", "operation": "Update", "fieldsV1": mark})
        assert other_tools.owner(live, OURS) == "Helm"
