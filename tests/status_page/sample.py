"""A working day at a print company: eight services in three environments and the platform, with some of everything.

prod is Degraded (order), test is Progressing (print-api rolls out), test/gallery is stalled by the contract, and
a person scaled and patched objects in prod with a console.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.parity import ParityComparison
from gitops.core.health import Health
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.promotion.lineage import RepoHistory
from gitops.core.revision import Revision
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.status import (
    Action,
    Condition,
    Drift,
    ObjectStatus,
    PendingRequest,
    Record,
    Revisions,
    Sync,
    SyncStatus,
)
from gitops.status_page import ControllerState, Statuses

NOW = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
REGISTRY = "harbor.tuling.internal/tuling"
SERVICES = ("gateway", "order", "design", "print-api", "print-worker", "travel", "gallery", "h5-web")
TAGS = {
    "gateway": "SNAPSHOT-master-212",
    "order": "SNAPSHOT-master-1184",
    "design": "SNAPSHOT-master-640",
    "print-api": "1.5.0",
    "print-worker": "1.5.0",
    "travel": "SNAPSHOT-master-87",
    "gallery": "SNAPSHOT-master-301",
    "h5-web": "SNAPSHOT-master-977",
}
BEHIND = {"order": "SNAPSHOT-master-1179", "print-api": "1.4.2", "h5-web": "SNAPSHOT-master-970"}

PIPELINE = pipeline.parse(
    b"""
platform: {path: base/platform, kinds: [Namespace, PriorityClass]}
services:
"""
    + b"".join(f'  {name}: {{image: {REGISTRY}/{name}, tags: {{semver: ">=1.4 <2"}}}}\n'.encode() for name in SERVICES)
    + b"""
environments:
  dev: {namespace: tuling-dev, images: newest, drift: report}
  test: {namespace: tuling-test, after: dev, promote: {when: proven, soak: 10m}}
  prod:
    namespace: tuling-prod
    after: test
    promote: {when: requested, soak: 1h, scan: {max: High}, approvals: {count: 1}, rollback: {within: 10m}}
"""
)


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def commit(name: str) -> str:
    """A commit id made from a name: the same name gives the same id."""
    return sha256(name.encode()).hexdigest()[:40]


def image(service: str, tag: str) -> Image:
    return Image(f"{REGISTRY}/{service}", tag, "sha256:" + sha256(f"{service}:{tag}".encode()).hexdigest())


def images(**other: str) -> dict[str, Image]:
    """The newest image of every service. Keyword arguments, with `_` for `-`, set other tags."""
    tags = TAGS | {name.replace("_", "-"): tag for name, tag in other.items()}
    return {service: image(service, tag) for service, tag in tags.items()}


HEAD = Revision(commit("head"), commit("head"))
LOCKED = Revision(commit("proven"), commit("head"))


def workload(namespace: str, name: str) -> ObjectStatus:
    return ObjectStatus(Key("apps", "Deployment", namespace, name), Sync.SYNCED, Health.HEALTHY)


def objects(namespace: str, services: Sequence[str] = SERVICES) -> tuple[ObjectStatus, ...]:
    """The objects of a healthy overlay: a Deployment, a Service and a PodDisruptionBudget per service, and more."""
    return (
        *(workload(namespace, name) for name in services),
        *(ObjectStatus(Key("", "Service", namespace, name), Sync.SYNCED, Health.HEALTHY) for name in services),
        *(
            ObjectStatus(Key("policy", "PodDisruptionBudget", namespace, name), Sync.SYNCED, Health.HEALTHY)
            for name in services
        ),
        ObjectStatus(Key("", "ConfigMap", namespace, "application-7h5k9g2c4t"), Sync.SYNCED, Health.HEALTHY),
        ObjectStatus(
            Key("", "Secret", namespace, "order-secrets-8m2t6b4k9c"),
            Sync.SYNCED,
            Health.HEALTHY,
            action=Action.CONFIGURED,
            changes=(FieldChange("/data/password", "***", "***"),),
        ),
    )


def with_objects(status: SyncStatus, *changed: ObjectStatus) -> SyncStatus:
    """The status with these objects in place of those with the same keys."""
    new = {found.key: found for found in changed}
    return replace(status, objects=tuple(new.pop(found.key, found) for found in status.objects) + tuple(new.values()))


def conditions(
    reason: str = "Synced", message: str = "", *, moving: bool = False, stalled: bool = False, since: datetime = NOW
) -> tuple[Condition, ...]:
    return (
        Condition("Ready", reason == "Synced", reason, message, since),
        Condition("Reconciling", moving, reason if moving else "Settled", message if moving else "", since),
        Condition("Stalled", stalled, reason if stalled else "Settled", "", since),
    )


def dev() -> SyncStatus:
    return SyncStatus(
        overlay="dev",
        environment="dev",
        sync=Sync.SYNCED,
        health=Health.HEALTHY,
        at=ago(minutes=4),
        revisions=Revisions(HEAD, HEAD, HEAD, HEAD),
        conditions=conditions(since=ago(minutes=4)),
        images=images(),
        objects=objects("tuling-dev"),
        took={"compose": 0.003, "render": 0.014, "plan": 0.021, "apply": 0.046, "total": 0.088},
    )


def test() -> SyncStatus:
    message = "Deployment.apps tuling-test/print-api: 1 of 2 replicas updated"
    rolling = ObjectStatus(
        Key("apps", "Deployment", "tuling-test", "print-api"),
        Sync.SYNCED,
        Health.PROGRESSING,
        "1 of 2 replicas updated",
        Action.CONFIGURED,
        (
            FieldChange(
                "/spec/template/spec/containers/app/image",
                str(image("print-api", "1.4.2")),
                str(image("print-api", "1.5.0")),
            ),
            FieldChange("/spec/template/spec/containers/app/env/LOG_LEVEL", "debug", None),
        ),
    )
    status = replace(
        dev(),
        overlay="test",
        environment="test",
        health=Health.PROGRESSING,
        at=ago(seconds=24),
        revisions=Revisions(LOCKED, LOCKED, LOCKED, Revision(commit("before"), commit("before"))),
        conditions=conditions("Progressing", message, moving=True, since=ago(seconds=24)),
        images={name: found for name, found in images(h5_web=BEHIND["h5-web"]).items() if name != "gallery"},
        objects=objects("tuling-test", [name for name in SERVICES if name != "gallery"]),
        waiting=("h5-web SNAPSHOT-master-977: proven in dev in 6 min (Healthy for 4 of 10 min)",),
    )
    return with_objects(status, rolling)


def gallery() -> SyncStatus:
    """An overlay that violates the contract, so its previous release keeps running."""
    message = (
        "2 differences from base that no variation declares:\n"
        "Deployment gallery /spec/template/spec/containers/app/image: environments/test/gallery/kustomization.yaml:14\n"
        "ConfigMap gallery-settings /data/DB_URL names another environment: jdbc:mysql://mysql.tuling-prod.svc/gallery"
    )
    return replace(
        dev(),
        overlay="test/gallery",
        environment="test",
        sync=Sync.OUT_OF_SYNC,
        at=ago(minutes=52),
        revisions=Revisions(LOCKED, LOCKED, Revision(commit("before"), commit("before")), None),
        conditions=conditions("ContractViolated", message, stalled=True, since=ago(minutes=52)),
        images={"gallery": image("gallery", "SNAPSHOT-master-296")},
        objects=objects("tuling-test", ["gallery"]),
    )


REQUEST = PendingRequest(
    name="thursday",
    id="c0ffee" * 6 + "abcd",
    release="5e" * 32,
    moves=("prod: order SNAPSHOT-master-1184, h5-web SNAPSHOT-master-970, base 30ae11ebf9b1",),
    gates=(
        "0 of 1 approvals; `lockstep approve` gives one",
        "held by Anna Wang <anna@tuling.example>: orders were lost; `lockstep resume` ends it",
    ),
    asked_by="Li Na",
    asked_at=ago(hours=2),
    waived={"scan": "the scanner is down, see incident 12"},
)


def prod() -> SyncStatus:
    message = "Deployment.apps tuling-prod/gateway: changed outside git"
    before = Revision(commit("release"), commit("release"))
    ailing = ObjectStatus(
        Key("apps", "Deployment", "tuling-prod", "order"),
        Sync.SYNCED,
        Health.DEGRADED,
        "1 of 3 replicas available: CrashLoopBackOff in order-6c9f7d4b8-x2x9k",
    )
    patched = ObjectStatus(
        Key("apps", "Deployment", "tuling-prod", "gateway"),
        Sync.OUT_OF_SYNC,
        Health.HEALTHY,
        "changed outside git",
        drift=(
            Drift("/spec/template/spec/containers/app/env/DEBUG", "kubesphere-console", "foreign", ago(minutes=17)),
            Drift("/spec/replicas", "kubectl-edit", "changed", ago(hours=3)),
        ),
    )
    status = replace(
        dev(),
        overlay="prod",
        environment="prod",
        sync=Sync.OUT_OF_SYNC,
        health=Health.DEGRADED,
        at=ago(minutes=11),
        revisions=Revisions(before, before, before, Revision(commit("older"), commit("older"))),
        conditions=conditions("Drifted", message, since=ago(minutes=11)),
        images=images(**{name.replace("-", "_"): tag for name, tag in BEHIND.items()}),
        objects=objects("tuling-prod"),
        waiting=(
            "request thursday waits: 0 of 1 approvals; `lockstep approve` gives one",
            "print-api 1.5.0 soaks in test until 2026-03-05 10:20 UTC",
        ),
        requests=(REQUEST,),
        waived=("rollback: to 1179", "sha256:" + "7c" * 32 + ": orders were lost, this mends it"),
    )
    return with_objects(status, ailing, patched)


def platform() -> SyncStatus:
    return replace(
        dev(),
        overlay="platform",
        environment="platform",
        at=ago(days=12),
        conditions=conditions(since=ago(days=12)),
        images={},
        objects=tuple(
            ObjectStatus(Key("", "Namespace", "", f"tuling-{name}"), Sync.SYNCED, Health.HEALTHY)
            for name in ("dev", "test", "prod")
        ),
        took={},
    )


def history(status: SyncStatus, days: int = 9) -> tuple[Record, ...]:
    """The current status as the newest record, then a release every other day."""
    ready = status.condition("Ready")
    present = Record(
        at=status.at,
        revision=status.revisions.applied,
        sync=status.sync,
        health=status.health,
        reason=ready.reason if ready else "Unknown",
        message=ready.message if ready else "",
        actions={"configured": 1, "unchanged": 24},
        images=status.images,
        took=status.took,
    )
    past = (
        replace(
            present,
            at=status.at - timedelta(days=day, minutes=7 * day),
            revision=Revision(commit(f"{status.overlay}{day}"), commit(f"{status.overlay}{day}")),
            sync=Sync.SYNCED,
            health=Health.HEALTHY,
            reason="Synced",
            message="",
            actions={"created": 2, "configured": day, "pruned": 1},
            images=status.images if day < 4 else images(order="SNAPSHOT-master-1102"),
        )
        for day in range(1, days, 2)
    )
    return (present, *past)


def statuses() -> dict[str, tuple[SyncStatus, Sequence[Record]]]:
    return {status.overlay: (status, history(status)) for status in (dev(), test(), gallery(), prod(), platform())}


CONTROLLER = ControllerState(
    repo="git.tuling.internal/platform/config",
    trunk="main",
    leader=True,
    version="0.1.0",
    head=commit("head"),
    head_since=ago(minutes=4),
    commit_url="https://git.tuling.internal/platform/config/commit/{commit}",
)


@dataclass
class Source:
    """A StatusSource whose answers a test sets. `asked` are the pairs for which a comparison was requested."""

    ledger: Statuses = field(default_factory=statuses)
    pipe: Pipeline | None = PIPELINE
    own: ControllerState = CONTROLLER
    error: Exception | None = None
    git: RepoHistory = field(default_factory=RepoHistory)
    compare: Callable[[str, str], ParityComparison] = lambda _a, _b: ParityComparison()
    asked: list[tuple[str, str]] = field(default_factory=list)
    origins: dict[str, BuildOrigin] = field(default_factory=dict)
    pushes: dict[str, tuple[SourcePush, ...]] = field(default_factory=dict)

    def statuses(self) -> Statuses:
        if self.error:
            raise self.error
        return self.ledger

    def pipeline(self) -> Pipeline | None:
        return self.pipe

    def controller(self) -> ControllerState:
        return self.own

    def past(self) -> RepoHistory:
        return self.git

    def origin(self, image: Image) -> BuildOrigin | None:
        return self.origins.get(image.digest or "")

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        return self.pushes.get(service, ())

    def parity(self, a: str, b: str) -> ParityComparison:
        self.asked.append((a, b))
        return self.compare(a, b)

    def known_parity(self, a: str, b: str) -> ParityComparison:
        return self.compare(a, b)
