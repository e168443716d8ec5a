"""The inventory of an overlay: an ApplySet (KEP-3659) with a ConfigMap as parent, and the data that shows drift.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune
"""

import base64
import hashlib
from dataclasses import dataclass, field

from gitops.core.objects import Key
from gitops.core.parsing.json_records import JsonRecord
from gitops.core.revision import Revision

ID_LABEL = "applyset.kubernetes.io/id"
PART_OF_LABEL = "applyset.kubernetes.io/part-of"
TOOLING_ANNOTATION = "applyset.kubernetes.io/tooling"
GROUP_KINDS_ANNOTATION = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES_ANNOTATION = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "lockstep/v1"
REQUESTED_AT_ANNOTATION = "lockstep.gitops/requested-at"
REPO_ANNOTATION = "lockstep.gitops/config-repo"


SYSTEM_NAMESPACE = "lockstep-system"
"""The namespace of parents, ledgers and Leases. An environment's may not exist yet, and others write there."""


def parent_name(overlay: str) -> str:
    """`prod/print-api` -> `lockstep.prod.print-api`. Overlay names hold no dots, so no two overlays share a parent."""
    return "lockstep." + overlay.replace("/", ".")


def applyset_id(name: str, namespace: str) -> str:
    """The id that KEP-3659 derives from a ConfigMap parent: `applyset-<base64url(sha256(name.ns.kind.group))>-v1`."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}-v1"


def applyset_of(overlay: str) -> str:
    """The ApplySet id in the part-of label of an overlay's members."""
    return applyset_id(parent_name(overlay), SYSTEM_NAMESPACE)


@dataclass(frozen=True, slots=True)
class Member:
    """One object that Lockstep applied, or is about to apply.

    `version`: the version of its apiVersion. `manifest`: hash of the manifest that was applied last. `fingerprint`,
    `generation`, `uid`: the hash of our managedFields entry, metadata.generation and the uid after that apply. These
    four are empty between the write-ahead and the apply.
    """

    key: Key
    version: str
    uid: str = ""
    manifest: str = ""
    fingerprint: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Parent:
    """The ApplySet parent of one overlay as stored. `resource_version` is the fence: a write with an older one is a
    Conflict; empty = not created yet. `applied`: the last revision that was applied completely. `pass_revision`: the
    revision of the last write-ahead. `head`: the trunk's head at that write-ahead.
    """

    overlay: str
    repo: str
    resource_version: str = ""
    members: dict[Key, Member] = field(default_factory=dict)
    applied: Revision | None = None
    pass_revision: Revision | None = None
    head: str = ""
    requested_at: str = ""


MEMBERS_JSON: JsonRecord[tuple[Member, ...]] = JsonRecord(tuple[Member, ...])
