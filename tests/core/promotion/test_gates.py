"""Each gate, and what it says when it is shut, by literals."""

from datetime import timedelta

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Hold
from gitops.core.promotion import gates
from gitops.core.promotion.gates import Gate, GateFacts
from tests.worlds.promotion_values import NOW, image, policy


def shut(wanted: PromotePolicy, **facts: object) -> list[tuple[Gate, str]]:
    return [(gate.gate, gate.message) for gate in gates.shut(wanted, NOW, GateFacts(**facts))]  # type: ignore[arg-type]


def test_each_gate_says_what_would_open_it() -> None:
    hold = Hold(who="Li", why="stocktaking", since=NOW, until=NOW + timedelta(hours=1))
    assert shut(policy()) == []
    ((gate, text),) = shut(policy(), hold=hold)
    assert gate is Gate.HOLD
    assert "Li until 2026-11-23T09:00:00+00:00: stocktaking" in text
    assert shut(policy(), hold=hold.model_copy(update={"until": NOW})) == []
    closed = {"allow": [{"cron": "0 10 * * 1-4", "duration": "7h", "timezone": "Asia/Shanghai"}]}
    assert shut(policy(windows=closed)) == []
    late = {"allow": [{"cron": "0 10 * * 2", "duration": "7h"}]}
    ((gate, text),) = shut(policy(windows=late))
    assert (gate, text[-20:]) == (Gate.WINDOWS, "2026-11-24 10:00 UTC")
    ((gate, text),) = shut(policy(scan={"max": "High"}), moved={"order": image("order", 2)})
    assert gate is Gate.SCAN
    assert text.startswith("harbor.example is being asked for the scan of order 1.2")
    assert shut(policy(scan={"max": "High"}), moved={"order": image("order", 2)}, waived={"scan": "no scanner"}) == []


def test_approvals_are_counted() -> None:
    two = policy(approvals={"count": 2})
    assert [gate for gate, _ in shut(two)] == [Gate.APPROVALS]
    assert shut(two, approved=1)[0][1].startswith("1 of 2 approvals")
    assert shut(two, approved=2) == []
