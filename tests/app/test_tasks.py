"""The tasks of the controller: which parties each one calls, in which order. Parties that only record their calls."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gitops.app.tasks import TaskParties, Tasks
from gitops.core.errors import Rejected, Unavailable
from gitops.ports import Task
from tests.worlds.clocks import WorldClock
from tests.worlds.ports import Leader

HEAD = "a" * 40
REFRESH = ("desired.refresh", f"status.note_head {HEAD}", "sweeps.hurry", "triggers.take_in")
UNCHANGED: Mapping[str, Any] = {
    "repo.head": HEAD,
    "desired.head": HEAD,
    "desired.refresh": frozenset[str](),
    "reconciler.breached_overlays": frozenset({"test"}),
    "reconciler.known_overlays": frozenset({"dev", "test"}),
    "status.remote_answered": False,
    "promoter.promote_all": 7.0,
}
QUESTIONS = frozenset(
    {"repo.head", "desired.head", "reconciler.breached_overlays", "reconciler.known_overlays", "status.remote_answered"}
)
"""Calls that change nothing, and so are not recorded."""


class Party:
    """Any party: it records each call with its texts and sets, and gives the answer that the test has set."""

    def __init__(self, name: str, calls: list[str], answers: Mapping[str, Any]) -> None:
        self._name = name
        self._calls = calls
        self._answers = answers

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = f"{self._name}.{method}"

        def answer(*arguments: Any) -> Any:
            if call not in QUESTIONS:
                self._calls.append(" ".join([call, *filter(None, map(_word, arguments))]))
            found = self._answers.get(call)
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def _word(argument: object) -> str:
    if isinstance(argument, frozenset):
        return " ".join(sorted(argument))
    return str(argument) if isinstance(argument, str) else ""


def run(task: str, answers: Mapping[str, Any] | None = None, *, leads: bool = True) -> tuple[float | None, list[str]]:
    """Runs one task; returns its answer and the calls that it made."""
    calls: list[str] = []
    return made(calls, answers or {}, leads=leads).run(task), calls


def made(calls: list[str], answers: Mapping[str, Any], *, leads: bool = True) -> Tasks:
    known = {**UNCHANGED, **answers}

    def party(name: str) -> Any:
        return Party(name, calls, known)

    parties = TaskParties(
        repo=party("repo"),
        repo_name="the-repo",
        desired=party("desired"),
        ledger=party("ledger"),
        reconciler=party("reconciler"),
        recorder=party("recorder"),
        promoter=party("promoter"),
        sweeps=party("sweeps"),
        relay=party("relay"),
        triggers=party("triggers"),
        watcher=party("watcher"),
        status=party("status"),
        news=party("news"),
        tasks=party("tasks"),
        passes=party("passes"),
    )
    return Tasks(parties, Leader(leads), WorldClock())


def test_task_names_are_those_that_logs_show() -> None:
    assert list(Task) == ["fetch", "refresh", "lead", "tags", "promote", "tell", "sweep"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("fetch", ["repo.fetch", "tasks.add tags", *REFRESH]),
        ("refresh", [*REFRESH]),
        (
            "lead",
            [
                *("ledger.forget", "recorder.recall", "reconciler.recall", *REFRESH),
                *("watcher.watch_requests the-repo", "passes.recheck_known dev test"),
                *("tasks.add tags", "sweeps.sweep_all", *REFRESH),
            ],
        ),
        ("tags", ["promoter.read_tags", "tasks.add promote", *REFRESH]),
        ("tell", ["relay.deliver"]),
        ("sweep", ["sweeps.sweep_all"]),
    ],
)
def test_task_of_the_leader_calls_its_parties_in_order(task: str, expected: list[str]) -> None:
    assert run(task) == (None, expected)


def test_promotion_says_when_it_wants_to_run_again() -> None:
    assert run("promote") == (7.0, ["promoter.promote_all"])


@pytest.mark.parametrize("task", ["lead", "tags", "refresh"])
def test_follower_only_takes_in_the_head(task: str) -> None:
    assert run(task, leads=False) == (None, [*REFRESH])


def test_refresh_looks_at_changed_overlays_and_at_those_with_violations() -> None:
    touched = {"desired.refresh": frozenset({"dev"})}
    expected = [*REFRESH[:-1], "passes.recheck_known dev test", "tasks.add promote", REFRESH[-1]]
    assert run("refresh", touched) == (None, expected)
    assert run("refresh", touched, leads=False) == (None, [*REFRESH])


@pytest.mark.parametrize("error", [Unavailable("Timeout", "no answer"), Rejected("TrunkGone", "no branch main")])
def test_fetch_that_fails_is_shown_and_tried_again(error: Exception) -> None:
    calls: list[str] = []
    with pytest.raises(type(error)):
        made(calls, {"repo.fetch": error}).run("fetch")
    assert calls == ["repo.fetch", "status.remote_failed"]


def test_fetch_that_ends_an_outage_sweeps_the_registries() -> None:
    _, calls = run("fetch", {"status.remote_answered": True})
    assert calls == ["repo.fetch", "sweeps.sweep_all", "tasks.add tags", *REFRESH]


def test_leader_without_a_head_waits_for_the_first_fetch() -> None:
    calls: list[str] = []
    with pytest.raises(Unavailable, match="not fetched yet"):
        made(calls, {"repo.head": ""}).run("lead")
    assert calls == []


def test_unknown_task_is_a_bug() -> None:
    calls: list[str] = []
    with pytest.raises(ValueError, match="reload"):
        made(calls, {}).run("reload")
    assert calls == []
