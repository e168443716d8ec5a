"""A live object, reduced to the facts that a pass needs."""

from dataclasses import dataclass

from gitops.core import health, objects
from gitops.core.health import Health
from gitops.core.objects import Body, Key
from gitops.core.ownership import field_ownership, foreign_fields, other_tools
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.ownership.managed_fields import FieldOwner


@dataclass(frozen=True, slots=True)
class Observed:
    """The facts that a pass needs of one live object, taken from a watch event. The body is not kept.

    `fingerprint`: hash of our own Apply entry in managedFields; empty if there is none.
    `part_of`: the ApplySet part-of label. `owner`: another GitOps tool, for example `Argo CD (tracking-id ...)`.
    `foreign`: fields that other managers added to spec, data, rules and the like.
    `replicas`: the live spec.replicas if our entry owns that field, else None.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int = 0
    part_of: str = ""
    fingerprint: str = ""
    owner: str = ""
    foreign: tuple[FieldOwner, ...] = ()
    health: Health = Health.HEALTHY
    message: str = ""
    replicas: int | None = None
    deleting: bool = False


def observe(body: Body, manager: str) -> Observed:
    """Reduces a live object for the field manager `manager`.

    `apiVersion` and `kind` must be the object's own: the caller restores them in a PartialObjectMetadata. Metadata
    alone is enough if `health.has_rule` is False.
    """
    metadata = body["metadata"]
    verdict, message = health.assess(body)
    ours = field_ownership.owned_fields(body, manager)
    return Observed(
        key=objects.key(body),
        uid=str(metadata.get("uid") or ""),
        resource_version=str(metadata.get("resourceVersion") or ""),
        generation=int(metadata.get("generation") or 0),
        part_of=str((metadata.get("labels") or {}).get(PART_OF_LABEL, "")),
        fingerprint=field_ownership.fingerprint(body, manager),
        owner=other_tools.owner(body, manager),
        foreign=foreign_fields.additions(body, manager),
        health=verdict,
        message=message,
        replicas=(body.get("spec") or {}).get("replicas") if "/spec/replicas" in ours else None,
        deleting="deletionTimestamp" in metadata,
    )
