"""ports.ApplySets: the ApplySet parents as ConfigMaps, written by compare-and-swap.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from gitops.adapters.kubernetes import state_namespace
from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.state_namespace import CONFIG_MAPS, MANAGED_BY, NAMESPACE
from gitops.core.errors import Conflict, Rejected
from gitops.core.ownership.applyset import (
    GROUP_KINDS_ANNOTATION,
    ID_LABEL,
    MEMBERS_JSON,
    NAMESPACES_ANNOTATION,
    REPO_ANNOTATION,
    REQUESTED_AT_ANNOTATION,
    TOOLING,
    TOOLING_ANNOTATION,
    Member,
    Parent,
    applyset_id,
    parent_name,
)
from gitops.core.revision import Revision

_PREFIX = parent_name("")
_REVISIONS = ("applied", "passRevision")
_REVISION_JSON: TypeAdapter[Revision | None] = TypeAdapter(Revision | None)


def overlay_of(name: str) -> str:
    """`lockstep.prod.print-api` -> `prod/print-api`, the inverse of applyset.parent_name."""
    return name.removeprefix(_PREFIX).replace(".", "/")


class KubernetesApplySets:
    """Implements ports.ApplySets. `repo` is the config repo's name in every parent; it holds no credentials."""

    def __init__(self, api: KubernetesApi, *, repo: str) -> None:
        self._api = api
        self._repo = repo

    def read(self, overlay: str) -> Parent | None:
        body = state_namespace.read(self._api, _path(overlay))
        if body is None:
            return None
        self._require_ours(body)
        return _parse(body)

    def write(self, parent: Parent) -> Parent:
        try:
            stored = state_namespace.store(self._api, CONFIG_MAPS, _body(parent))
        except Conflict:
            self.read(parent.overlay)  # raises ForeignParent if it belongs to another repo
            raise
        return replace(parent, resource_version=stored["metadata"]["resourceVersion"])

    def read_all(self) -> Mapping[str, Parent]:
        query = (("labelSelector", ID_LABEL),)
        listing = ApiRequest("GET", CONFIG_MAPS, f"parents in {NAMESPACE}", query)
        found = (item for page in self._api.items(listing) for item in page["items"])
        parents = (_parse_or_none(item) for item in found if is_parent_of(item["metadata"], self._repo))
        return {parent.overlay: parent for parent in parents if parent is not None}

    def remove(self, parent: Parent) -> None:
        path = _path(parent.overlay)
        preconditions = {"preconditions": {"resourceVersion": parent.resource_version}}
        self._api.request(ApiRequest("DELETE", path, path, body=preconditions))

    def request(self, overlay: str, at: datetime) -> None:
        """Asks the leader for a pass over the overlay. Raises: Rejected(NotFound) if it was never applied."""
        path = _path(overlay)
        patch = {"metadata": {"annotations": {REQUESTED_AT_ANNOTATION: at.isoformat()}}}
        query = (("fieldManager", "lockstep"),)
        try:
            self._api.request(
                ApiRequest("PATCH", path, path, query, patch, content_type="application/merge-patch+json")
            )
        except Rejected as error:
            if error.reason != "NotFound":
                raise
            raise Rejected(
                "NotFound", f"overlay {overlay} has no parent in {NAMESPACE}: nothing of it was ever applied"
            ) from error

    def _require_ours(self, body: Mapping[str, Any]) -> None:
        metadata = body["metadata"]
        if is_parent_of(metadata, self._repo):
            return
        annotations = metadata.get("annotations") or {}
        raise Rejected(
            "ForeignParent",
            f"ConfigMap {NAMESPACE}/{metadata['name']} belongs to config repo {annotations.get(REPO_ANNOTATION)} and "
            f"tooling {annotations.get(TOOLING_ANNOTATION)}, not to {self._repo} and {TOOLING}. Rename the environment "
            f"in one of the repos; or, if the other one is retired, set the annotations {REPO_ANNOTATION} and "
            f"{TOOLING_ANNOTATION} to ours to take it over.",
        )


def _path(overlay: str) -> str:
    """The API path of a parent. Quoting keeps any overlay name one segment of the path."""
    return f"{CONFIG_MAPS}/{quote(parent_name(overlay), safe='')}"


def is_parent_of(metadata: Mapping[str, Any], repo: str) -> bool:
    """True for the metadata of a parent that Lockstep wrote for this config repo."""
    annotations = metadata.get("annotations") or {}
    return (annotations.get(TOOLING_ANNOTATION), annotations.get(REPO_ANNOTATION)) == (TOOLING, repo)


def _body(parent: Parent) -> dict[str, Any]:
    name = parent_name(parent.overlay)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {**MANAGED_BY, ID_LABEL: applyset_id(name, NAMESPACE)},
            "annotations": _annotations(parent),
            **({"resourceVersion": parent.resource_version} if parent.resource_version else {}),
        },
        "data": {
            "members": state_namespace.pack(MEMBERS_JSON.dump_json(tuple(parent.members.values())).decode()),
            "head": parent.head,
            "applied": _REVISION_JSON.dump_json(parent.applied).decode(),
            "passRevision": _REVISION_JSON.dump_json(parent.pass_revision).decode(),
        },
    }


def _annotations(parent: Parent) -> dict[str, str]:
    requested = {REQUESTED_AT_ANNOTATION: parent.requested_at} if parent.requested_at else {}
    return {
        TOOLING_ANNOTATION: TOOLING,
        REPO_ANNOTATION: parent.repo,
        GROUP_KINDS_ANNOTATION: ",".join(sorted(_group_kinds(parent.members.values()))),
        NAMESPACES_ANNOTATION: ",".join(sorted({key.namespace for key in parent.members} - {"", NAMESPACE})),
        **requested,
    }


def _group_kinds(members: Iterable[Member]) -> set[str]:
    return {f"{key.kind}.{key.group}" if key.group else key.kind for key in (member.key for member in members)}


def _parse_or_none(body: Mapping[str, Any]) -> Parent | None:
    """Parses a parent; None if it is damaged, so that only its own overlay stalls, with the error of
    KubernetesApplySets.read.
    """
    try:
        return _parse(body)
    except Rejected:
        return None


def _parse(body: Mapping[str, Any]) -> Parent:
    metadata, data = body["metadata"], body.get("data") or {}
    annotations = metadata.get("annotations") or {}
    try:
        members = MEMBERS_JSON.validate_json(state_namespace.unpack(data.get("members") or "[]"))
        applied, pass_revision = (_REVISION_JSON.validate_json(data.get(key) or "null") for key in _REVISIONS)
    except (ValueError, zlib.error) as error:
        raise Rejected(
            "DamagedParent",
            f"the data of ConfigMap {NAMESPACE}/{metadata['name']} is not what Lockstep wrote; restore it, or delete "
            "the ConfigMap to start a new inventory (objects that are no longer in git are then left alone)",
        ) from error
    return Parent(
        overlay=overlay_of(metadata["name"]),
        repo=annotations[REPO_ANNOTATION],
        resource_version=metadata["resourceVersion"],
        members={member.key: member for member in members},
        applied=applied,
        pass_revision=pass_revision,
        head=data.get("head", ""),
        requested_at=annotations.get(REQUESTED_AT_ANNOTATION, ""),
    )
