"""The target of a pass, as tables: desired state, verdict, applied state -> target."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import Hold, Holds
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync.desired import Desired
from gitops.core.sync.plan import Policy
from gitops.core.sync.summary import Stall
from gitops.core.sync.sync_target import AdmissionVerdict, DesiredAtHead, SyncTarget, choose

DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
HEAD = "a" * 40
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def desired(commit: str, **more: object) -> Desired:
    found = Desired(DEV, Revision(commit, commit), f"key of {commit}", (), frozenset(), {}, frozenset())
    return replace(found, **more)  # type: ignore[arg-type]


NEW, OLD = desired(HEAD), desired("b" * 40)
BROKEN = Stall("BuildFailed", "base/kustomization.yaml: no such file")
BREACH = Stall("ContractViolated", "/spec/paused: no variation lets it differ")
REFUSED = AdmissionVerdict(BREACH, ("a warning",), is_breached=True)
WARNED = AdmissionVerdict(None, ("a warning",), is_breached=True)
NOTHING = AdmissionVerdict()


def wanted(found: Desired | None, refusal: Stall | None = None) -> DesiredAtHead:
    return DesiredAtHead(DEV, HEAD, found, refusal)


@pytest.mark.parametrize(
    ("wants", "verdict", "applied", "expected"),
    [
        (wanted(NEW), NOTHING, None, SyncTarget(DEV, NEW.revision, NEW)),
        (wanted(NEW), NOTHING, OLD, SyncTarget(DEV, NEW.revision, NEW)),
        (wanted(NEW), WARNED, OLD, SyncTarget(DEV, NEW.revision, NEW, None, ("a warning",), is_breached=True)),
        (wanted(NEW), REFUSED, OLD, SyncTarget(DEV, NEW.revision, OLD, BREACH, is_breached=True)),
        (wanted(NEW), REFUSED, None, SyncTarget(DEV, NEW.revision, None, BREACH, is_breached=True)),
        (wanted(None, BROKEN), AdmissionVerdict(BROKEN), OLD, SyncTarget(DEV, NEW.revision, OLD, BROKEN)),
        (wanted(None, BROKEN), AdmissionVerdict(BROKEN), None, SyncTarget(DEV, NEW.revision, None, BROKEN)),
    ],
    ids=["first", "next", "warned", "refused", "refused-first", "broken", "broken-first"],
)
def test_target_is_what_git_wants_or_what_was_applied_last(
    wants: DesiredAtHead, verdict: AdmissionVerdict, applied: Desired | None, expected: SyncTarget
) -> None:
    assert choose(wants, verdict, applied, now=NOW) == expected


def hold(*, suspend: bool, until: datetime | None = None) -> Desired:
    held = Hold(who="ops", why="an incident", since=NOW, suspend=suspend, until=until)
    return desired(HEAD, holds=Holds((held,)))


@pytest.mark.parametrize(
    ("held", "stall"),
    [
        (hold(suspend=False), None),
        (hold(suspend=True), Stall("Suspended", "hold.yaml of ops: an incident")),
        (hold(suspend=True, until=datetime(2026, 2, 1, tzinfo=UTC)), None),
    ],
    ids=["holds-changes", "suspends", "is-over"],
)
def test_target_of_a_hold_that_suspends_stays_and_is_stalled(held: Desired, stall: Stall | None) -> None:
    target = choose(wanted(held), WARNED, OLD, now=NOW)
    assert (target.desired, target.stall, target.warnings) == (held, stall, ("a warning",))


OBSERVED = desired(HEAD, withheld="observe mode")


@pytest.mark.parametrize(
    ("wants", "verdict", "applied", "withheld"),
    [
        (wanted(NEW), NOTHING, None, ""),
        (wanted(OBSERVED), WARNED, None, "observe mode"),
        (wanted(hold(suspend=True)), NOTHING, None, "hold.yaml of ops: an incident"),
        (wanted(NEW), REFUSED, OLD, ""),
        (wanted(NEW), REFUSED, OBSERVED, "observe mode"),
        (wanted(NEW), REFUSED, None, ""),
    ],
    ids=["in-order", "observes", "suspended", "refused-heals-the-old", "refused-observes", "nothing"],
)
def test_target_says_why_its_plan_is_only_shown(
    wants: DesiredAtHead, verdict: AdmissionVerdict, applied: Desired | None, withheld: str
) -> None:
    assert choose(wants, verdict, applied, now=NOW).withheld == withheld


TOLERATED = {Key("apps", "Deployment", "shop-dev", "order"): frozenset({"/spec/replicas"})}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            SyncTarget(DEV, None, desired(HEAD, strip=True, prune_budget=3)),
            Policy(budget=3, generated=True, namespaces=frozenset({"shop-dev"}), strip=True, tolerated=TOLERATED),
        ),
        (
            SyncTarget(DEV, None, desired(HEAD, strip=True, heal=False, kept="by pipeline.yaml")),
            Policy(kept="by pipeline.yaml", generated=True, namespaces=frozenset({"shop-dev"}), tolerated=TOLERATED),
        ),
        (SyncTarget(DEV, None, OLD, BREACH), Policy(kept="nothing is pruned while the overlay is stalled")),
        (SyncTarget(DEV, None, None, BREACH), Policy(kept="nothing is pruned while the overlay is stalled")),
    ],
    ids=["in-order", "reports-drift", "refused", "nothing"],
)
def test_target_policy(target: SyncTarget, expected: Policy) -> None:
    assert target.policy(generated=True, tolerated=TOLERATED) == expected
