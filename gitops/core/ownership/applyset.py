"""What belongs to an overlay: an ApplySet (KEP-3659) whose parent is a ConfigMap, with what is needed to see drift.

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
"""Where parents, ledgers and Leases live: an environment's own namespace may not exist yet, and others write there."""


def parent_name(overlay: str) -> str:
    """`prod/print-api` -> `lockstep.prod.print-api`. Overlay names hold no dots, so no two overlays share a parent."""
    return "lockstep." + overlay.replace("/", ".")


def applyset_id(name: str, namespace: str) -> str:
    """The id that KEP-3659 derives from a ConfigMap parent: `applyset-<base64url(sha256(name.ns.kind.group))>-v1`."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}-v1"


def applyset_of(overlay: str) -> str:
    """The ApplySet id that the members of an overlay carry in their part-of label."""
    return applyset_id(parent_name(overlay), SYSTEM_NAMESPACE)


@dataclass(frozen=True, slots=True)
class Member:
    """One object that we applied, or are about to apply.

    `version` is the apiVersion's version; `manifest` the hash of what was applied last, `fingerprint` the hash of our
    managedFields entry after that, `generation` metadata.generation after that, `uid` the object's. All four are empty
    while only the write-ahead is done.
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
    Conflict. Empty = not created yet. `applied` is the last revision that was applied whole. `pass_revision` is
    the one whose write-ahead was done last, and `head` the trunk's head as that pass knew it.
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
