"""Finds the other GitOps tool that an object belongs to, by the labels and annotations that such tools set."""

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
"""Labels or annotations, the name of the mark, and a title for people. The more specific mark comes first: Flux and
Fleet install by Helm.
"""

_TITLES: Mapping[str, str] = {"argocd": "Argo CD", "flux": "Flux", "fleet": "Rancher Fleet", "helm": "Helm"}
"""The name of a tool in `sync.adopt` of pipeline.yaml -> the beginning of its title."""


def is_among(owner_title: str, tools: Collection[str]) -> bool:
    """True if an owner (a title from `owner`) is one of these tools (names of `sync.adopt`, such as `argocd`)."""
    return any(owner_title.startswith(_TITLES[tool]) for tool in tools if tool in _TITLES)


def owner(body: Body, manager: str) -> str:
    """The title of the other tool, such as `Flux (Kustomization apps)`; empty if there is none.

    A mark that only `manager` wrote does not count: it came with the manifest, for example from a rendered chart.
    """
    return next(_find_owners(body, manager), "")


def _find_owners(body: Body, manager: str) -> Iterator[str]:
    for where, name, title in _MARKS:
        value = (body["metadata"].get(where) or {}).get(name)
        if value is None or (title == "{}" and value != "Helm"):
            continue
        if _find_writers(body, fields.child(f"/metadata/{where}", name)) != {manager}:
            yield title.format(value)


def _find_writers(body: Body, path: str) -> set[str]:
    entries = managed_fields.entries(body)
    return {str(each.get("manager")) for each in entries if path in managed_fields.leaf_paths(_metadata_elements(each))}


def _metadata_elements(entry: managed_fields.Entry) -> managed_fields.Elements:
    """The metadata part of an entry: marks are only there."""
    return {name: part for name, part in managed_fields.elements(entry).items() if name == "f:metadata"}
