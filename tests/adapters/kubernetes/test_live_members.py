"""LiveMembers: the objects of ApplySets from notes, events and lists that arrive in any order."""

import queue
from dataclasses import replace

import pytest

from gitops.adapters.kubernetes.discovery import ApiResource
from gitops.adapters.kubernetes.live_members import LiveMembers
from gitops.core.objects import Key
from gitops.core.ownership.live_object import Observed
from tests.worlds.kubernetes import MANAGER, PART_OF, Ear

Change = tuple[str, Key]


def observed(name: str, version: int, **more: object) -> Observed:
    base = Observed(Key("", "ConfigMap", "dev", name), "uid", str(version), part_of=PART_OF)
    return replace(base, **more)  # type: ignore[arg-type]


@pytest.fixture
def changes() -> Ear[Change]:
    return Ear()


@pytest.fixture
def members(changes: Ear[Change]) -> LiveMembers:
    return LiveMembers(ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True), MANAGER, changes)


def test_live_members_do_not_report_the_event_of_a_note(members: LiveMembers, changes: Ear[Change]) -> None:
    members.note(observed("mine", 7, fingerprint="new"))
    members.changed(observed("mine", 7, fingerprint="new"))
    with pytest.raises(queue.Empty):
        changes.next(0.0)


def test_live_members_ignore_a_note_older_than_a_deletion(members: LiveMembers) -> None:
    members.replaced([observed("mine", 5)], "6")
    members.deleted(observed("mine", 9))
    members.moved("9")
    members.note(observed("mine", 8))
    assert members.of(PART_OF) == []


def test_live_members_ignore_a_list_older_than_a_note(members: LiveMembers) -> None:
    members.note(observed("mine", 8))
    members.replaced([], "7")
    assert [key.name for key, _ in members.of(PART_OF)] == ["mine"]
    members.replaced([], "9")
    assert members.of(PART_OF) == []


def test_live_members_ignore_an_event_older_than_a_note(members: LiveMembers) -> None:
    members.note(observed("mine", 8, fingerprint="new"))
    members.changed(observed("mine", 7, fingerprint="old"))
    assert members.of(PART_OF)[0][1].fingerprint == "new"
