"""Which other GitOps tool an object belongs to, by the marks that such tools leave on what they manage."""

from collections.abc import Collection, Iterator, Mapping

from gitops.core.objects import Body
from gitops.core.ownership import fields, managed_fields

_MARKS: tuple[tuple[str, str, str], ...] = (
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD (tracking-id {})"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux (Kustomization {})"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux (HelmRelease {})"),
    ("annotations", "objectset.rio.cattle.io/id", "Rancher Fleet (objectset {})"),
    ("labels", "objectset.rio.cattle.io/hash", "Rancher Fleet (objectset {})"),
    ("annotations", "meta.helm.sh/release-name", "Helm (release {})"),
    ("labels", "kapp.k14s.io/app", "kapp (app {})"),
    ("labels", "app.kubernetes.io/managed-by", "{}"),
)
"""Where the mark stands, its name, and how a person calls what it says. A more telling one comes first: Flux and Fleet
install by Helm.
"""

_TITLES: Mapping[str, str] = {"argocd": "Argo CD", "flux": "Flux", "fleet": "Rancher Fleet", "helm": "Helm"}
"""The names that pipeline.yaml's `adopt` uses -> how titles begin."""


def is_among(owner_title: str, tools: Collection[str]) -> bool:
    """True when an owner (as `owner` names it) is one of these tools, in the words of pipeline.yaml: `argocd`."""
    return any(owner_title.startswith(_TITLES[tool]) for tool in tools if tool in _TITLES)


def owner(body: Body, manager: str) -> str:
    """The other tool as a person would name it, empty when there is none.

    A mark that only `manager` itself wrote came with the manifest, the leftover of a chart: it makes no owner.
    """
    return next(_owners(body, manager), "")


def _owners(body: Body, manager: str) -> Iterator[str]:
    for where, name, title in _MARKS:
        value = (body["metadata"].get(where) or {}).get(name)
        if value is None or (title == "{}" and value != "Helm"):
            continue
        if _writers(body, fields.child(f"/metadata/{where}", name)) != {manager}:
            yield title.format(value)


def _writers(body: Body, path: str) -> set[str]:
    entries = managed_fields.entries(body)
    return {str(each.get("manager")) for each in entries if path in managed_fields.leaf_paths(_elements(each))}


def _elements(entry: managed_fields.Entry) -> managed_fields.Elements:
    """Only the metadata of an entry: no mark stands elsewhere."""
    return {name: part for name, part in managed_fields.elements(entry).items() if name == "f:metadata"}
