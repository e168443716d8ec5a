"""The git history of the print company in sample.py: a week of releases, one rollback, and prod on hold."""

from datetime import datetime

from gitops.core.config_repo.release import Admission, Evidence, Hold, Rejection, Release
from gitops.core.contract.parity import (
    ComparedOverlay,
    DifferenceStatus,
    EnvironmentPair,
    ParityComparison,
    ParityFinding,
    summarize,
    summarize_failure,
)
from gitops.core.objects import Key
from gitops.core.promotion.lineage import LineageEntry, RepoHistory
from tests.status_page.sample import BEHIND, NOW, REGISTRY, TAGS, ago, commit, image

BOT = "Lockstep <lockstep@localhost>"
ANNA = "Anna Wang <anna@tuling.example>"
REQUEST = "7d1f" * 10
BAD_TAG = "SNAPSHOT-master-1181"
HOLD = Hold(who=ANNA, why="orders were lost", since=ago(days=1), until=None)


def digest(service: str, tag: str) -> str:
    return image(service, tag).digest or ""


def pushed(service: str, tag: str, at: datetime) -> LineageEntry:
    """The commit that brought an image, announced by Harbor, into dev."""
    return LineageEntry(
        commit=commit(f"{service} {tag}"),
        at=at,
        author=BOT,
        subject=f"dev: {service} {tag}",
        trailers={
            "Lockstep-Environment": "dev",
            "Lockstep-Service": service,
            "Lockstep-Image": f"{REGISTRY}/{service}:{tag}",
            "Lockstep-Digest": digest(service, tag),
            "Lockstep-Cause": "harbor delivery 5f0c",
            "Lockstep-Pushed-At": at.isoformat(),
            "Lockstep-Source-Revision": commit(f"source of {tag}"),
        },
        paths=("environments/dev/kustomization.yaml",),
    )


def admitted(source: str, since: datetime | None, rejected: tuple[Rejection, ...] = (), **tags: str) -> Release:
    services = {name: Evidence(digest=digest(name, tag), closure="c", since=since) for name, tag in tags.items()}
    return Release(
        base=commit("proven"),
        overlay=commit("head"),
        admission=Admission(source=source, services=services),
        rejected=rejected,
    )


def promoted(environment: str, source: str, at: datetime, release: Release, **trailers: str) -> LineageEntry:
    named = {f"Lockstep-{key.replace('_', '-')}": value for key, value in trailers.items()}
    return LineageEntry(
        commit=commit(f"{environment} {at}"),
        at=at,
        author=BOT,
        subject=f"{environment}: order from {source}",
        trailers={
            "Lockstep-Environment": environment,
            "Lockstep-Promoted-From": source,
            "Lockstep-Release": "ab" * 32,
            "Lockstep-Cause": f"proven in {source} for 10m",
            **named,
        },
        paths=(f"environments/{environment}/release.yaml",),
        releases={environment: release},
        images={environment: tuple(image("order", tag) for tag in _tags(release))},
    )


def _tags(release: Release) -> list[str]:
    digests = {found.digest for found in release.admission.services.values()} if release.admission else set()
    return [tag for tag in (TAGS["order"], BAD_TAG, BEHIND["order"]) if digest("order", tag) in digests]


def rolled_back() -> LineageEntry:
    rejected = (Rejection(service="order", digest=digest("order", BAD_TAG), closure="c"),)
    release = admitted("test", ago(days=6), rejected, order=BEHIND["order"])
    release = release.model_copy(update={"waived": {"rollback": f"to {commit('release')[:12]}"}})
    return LineageEntry(
        commit=commit("rollback"),
        at=ago(days=1),
        author=ANNA,
        subject=f"prod: roll back prod to {commit('release')[:12]}",
        trailers={"Lockstep-Environment": "prod"},
        paths=("environments/prod/hold.yaml", "environments/prod/release.yaml"),
        releases={"prod": release},
        holds={"prod": HOLD},
        images={"prod": (image("order", BEHIND["order"]),)},
    )


def entries() -> tuple[LineageEntry, ...]:
    old, bad, new = BEHIND["order"], BAD_TAG, TAGS["order"]
    waived = admitted("test", ago(days=1, hours=4), order=bad).model_copy(update={"waived": {"soak": "hot fix"}})
    return (
        promoted("test", "dev", ago(hours=3), admitted("dev", ago(hours=4), order=new)),
        pushed("order", new, ago(hours=4)),
        rolled_back(),
        promoted(
            "prod", "test", ago(days=1, hours=2), waived, Request=REQUEST, Approved_By="li@tuling.example, wu@x",
            Proven_Since=ago(days=1, hours=4).isoformat(),
        ),
        promoted("test", "dev", ago(days=1, hours=4), admitted("dev", ago(days=1, hours=5), order=bad)),
        pushed("order", bad, ago(days=1, hours=5)),
        promoted("prod", "test", ago(days=6), admitted("test", ago(days=7), order=old)),
        promoted("test", "dev", ago(days=7), admitted("dev", ago(days=8), order=old)),
        pushed("order", old, ago(days=8)),
    )  # fmt: skip


def past() -> RepoHistory:
    found = entries()
    present = {"test": found[0].releases["test"], "prod": found[2].releases["prod"]}
    return RepoHistory(commit("head"), found, {name: each for name, each in present.items() if each}, {"prod": HOLD})


def findings() -> tuple[ParityFinding, ...]:
    order, settings = Key("apps", "Deployment", "tuling-prod", "order"), Key("", "ConfigMap", "tuling-prod", "settings")
    secret = Key("", "Secret", "tuling-prod", "order-secrets-8m2t6b4k9c")
    container = "/spec/template/spec/containers/app"
    return (
        ParityFinding(DifferenceStatus.UNDECLARED, order, f"{container}/env/LOG_LEVEL/value", "info", "debug"),
        ParityFinding(
            DifferenceStatus.UNDECLARED, Key("", "ConfigMap", "tuling-prod", "leftover"), "", None, "present"
        ),
        ParityFinding(
            DifferenceStatus.PENDING, order, f"{container}/image",
            str(image("order", TAGS["order"])), str(image("order", BEHIND["order"])),
        ),
        ParityFinding(DifferenceStatus.DECLARED, order, "/spec/replicas", "1", "3", "replicas"),
        ParityFinding(
            DifferenceStatus.DECLARED, settings, "/data/DB_URL", "jdbc:mysql://dev/shop", "jdbc:mysql://prod/shop", "db"
        ),
        ParityFinding(DifferenceStatus.DECLARED, secret, "/data/password", "***", "***", "secrets"),
    )  # fmt: skip


def between(a: str, b: str) -> ComparedOverlay:
    """Test has one overlay more than dev, prod differs, and test and prod cannot be compared."""
    head = commit("head")
    if (a, b) == ("dev", "test"):
        pairs = (
            EnvironmentPair("dev", "test"),
            EnvironmentPair("-", "test/gallery", trouble="test/gallery has no counterpart"),
        )
        return summarize(head, ago(minutes=3), pairs, 100)
    if (a, b) == ("dev", "prod"):
        behind = ("1f2e3d4 order: retry when the printer is busy", "0a1b2c3 gateway: two more routes")
        return summarize(head, ago(minutes=2), (EnvironmentPair(a, b, findings(), commits=behind),), 100)
    return summarize_failure(head, NOW, f"MissingFile: environments/{b}: there is no kustomization.yaml")


def comparison(a: str, b: str) -> ParityComparison:
    return ParityComparison(between(a, b), is_current=True)
