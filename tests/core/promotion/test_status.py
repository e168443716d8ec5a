"""Notes about an overlay fit into its status, however long the texts of people are."""

from gitops.core.promotion.status import PendingNotes
from gitops.core.sync.status import PendingRequest

WORDS = tuple(f"sentence {number}" for number in range(100))


def test_a_sentence_is_said_once_and_cut() -> None:
    notes = PendingNotes()
    notes.add_sentences(["prod"], "a", "b" * 10_000)
    notes.add_sentences(["prod", "test"], "a")
    said = notes.by_overlay()
    assert said["test"].waiting == ("a",)
    assert said["prod"].waiting == ("a", "b" * 599 + "…")


def test_sentences_have_room_and_refused_tags_crowd_none_out() -> None:
    notes = PendingNotes()
    notes.add_refusals(["prod"], [f"refused: tag {number}" for number in range(50)])
    notes.add_sentences(["prod"], *WORDS)
    waiting = notes.by_overlay()["prod"].waiting
    assert waiting[:31] == (*WORDS[:30], "and 70 more")
    assert waiting[31:] == ("refused: tag 0", "refused: tag 1", "refused: tag 2", "and 47 more")


def test_requests_have_room_and_those_that_have_none_are_counted() -> None:
    notes = PendingNotes()
    for number in range(25):
        notes.add_request(
            ["prod"], PendingRequest(f"r{number}", "1" * 40, "2" * 64, moves=WORDS, gates=("x" * 10_000,))
        )
    said = notes.by_overlay()["prod"]
    assert [each.name for each in said.requests] == [f"r{number}" for number in range(20)]
    assert said.waiting == ("and 5 more requests, asked for later",)
    assert said.requests[0].moves == (*WORDS[:50], "and 50 more")
    assert len(said.requests[0].gates[0]) == 600


def test_nothing_refused_is_nothing_said() -> None:
    notes = PendingNotes()
    notes.add_refusals(["prod"], [])
    assert notes.by_overlay() == {}
