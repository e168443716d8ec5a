"""One live object, reduced to what a pass needs of it."""

from dataclasses import dataclass

from gitops.core import health, objects
from gitops.core.health import Health
from gitops.core.objects import Body, Key
from gitops.core.ownership import field_ownership, foreign_fields, other_tools
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.ownership.managed_fields import FieldOwner


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass needs to know of one live object, reduced from a watch event; the body is not kept.

    `fingerprint`: hash of our own Apply entry in managedFields, empty when we have none.
    `part_of`: the applyset part-of label; `owner`: another GitOps tool's mark, e.g. `Argo CD (tracking-id ...)`.
    `foreign`: fields that others added inside the parts that decide behaviour (spec.template, data, rules ...).
    `replicas`: the live spec.replicas while our entry owns that field, else None.
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
    """A live object, whole or metadata only, as seen by the owner of the field manager `manager`.

    `apiVersion` and `kind` must be the object's own: whoever reads a PartialObjectMetadata puts them back. Metadata
    alone is enough where `health.has_rule` is false.
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
