"""The memory of passes: a stored parent, a write that failed, a term of leading that ended."""

import pytest

from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision
from gitops.reconcile.pass_memory import PassMemory

ONE, TWO = Revision("a", "a"), Revision("b", "b")
DEV = Parent("dev", "repo", "7", applied=ONE)
PROD = Parent("prod", "repo", "8")


@pytest.fixture
def memory() -> PassMemory:
    found = PassMemory()
    found.recall({"dev": DEV, "prod": PROD})
    return found


def test_memory_of_a_new_leader_knows_that_the_others_have_no_parent(memory: PassMemory) -> None:
    assert memory.is_whole
    assert (memory.of("dev").parent, memory.of("dev").is_sure) == (DEV, True)
    assert (memory.of("test").parent, memory.of("test").is_sure) == (None, True)
    assert memory.applied == {"dev": ONE}
    assert memory.applied_overlays() == {"dev", "prod"}


def test_memory_without_recall_is_sure_of_nothing() -> None:
    memory = PassMemory()
    assert not memory.is_whole
    assert not memory.of("dev").is_sure


def test_memory_is_in_doubt_while_a_parent_is_written(memory: PassMemory) -> None:
    memory.of("dev").doubt()
    assert (memory.of("dev").parent, memory.of("dev").is_sure) == (None, False)
    assert memory.applied == {}
    memory.of("dev").remember(Parent("dev", "repo", "9", applied=TWO))
    assert memory.of("dev").is_sure
    assert memory.applied == {"dev": TWO}


def test_memory_of_a_pass_that_outlives_its_term_is_dropped(memory: PassMemory) -> None:
    running = memory.of("dev")
    running.is_breached = True
    assert memory.breached() == {"dev"}
    memory.forget()
    running.remember(Parent("dev", "repo", "9", applied=TWO))
    assert memory.breached() == frozenset()
    assert (memory.applied, memory.applied_overlays(), memory.is_whole) == ({}, frozenset(), False)
