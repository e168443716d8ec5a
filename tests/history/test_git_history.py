"""The history of environments from real git: a head is read once, and the next one costs only its new commits."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gitops.core.config_repo.commits import PastCommit
from gitops.core.promotion.lineage import LineageAction, RepoHistory, read_action
from gitops.history.git_history import QUESTION, GitHistory
from gitops.ports import ConfigRepo, TrunkHead
from tests.worlds.git import git
from tests.worlds.ports import Names
from tests.worlds.promotion import PromotionWorld, overlay, world


class Counting:
    """The world's config repo. It records how many commits each call asked for."""

    def __init__(self, place: PromotionWorld) -> None:
        self._repo = place.repo
        self.tree, self.read = place.repo.tree, place.repo.read
        self.asked: list[int] = []

    def history(self, path: str, limit: int) -> Sequence[PastCommit]:
        self.asked.append(limit)
        return self._repo.history(path, limit)


class Reading(GitHistory):
    """Reads at once when it queues a read. `asked` counts the queued reads."""

    def __init__(self, repo: ConfigRepo, trunk: TrunkHead) -> None:
        self.questions = Names()
        super().__init__(repo, trunk, self.questions)

    @property
    def asked(self) -> int:
        assert set(self.questions.names) <= {QUESTION}
        return len(self.questions.names)

    def past(self) -> RepoHistory:
        super().past()
        self.read()
        return super().past()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path) as made:
        made.soak()
        yield made


@pytest.fixture
def counting(place: PromotionWorld) -> Counting:
    return Counting(place)


@pytest.fixture
def history(place: PromotionWorld, counting: Counting) -> Reading:
    repo: Any = counting
    return Reading(repo, place.desired)


def test_history_entry_of_a_promotion_holds_its_release(place: PromotionWorld, history: GitHistory) -> None:
    place.push_image("order", 2)
    place.soak()
    past = history.past()

    assert past.head == place.remote.head()
    assert [read_action(entry) for entry in past.entries[:2]] == [LineageAction.PROMOTION, None]
    release = past.entries[0].releases["test"]
    assert release is not None
    assert release == past.releases["test"]
    assert release.admission is not None
    assert past.entries[0].subject == "test: order 1.2.0 from dev"


def test_history_reads_a_head_once_and_then_only_new_commits(
    place: PromotionWorld, history: GitHistory, counting: Counting
) -> None:
    first = history.past()
    assert history.past() is first
    assert len(counting.asked) == 1

    place.push_image("order", 2)
    second = history.past()
    assert counting.asked[1] < counting.asked[0]
    assert second.entries[1:] == first.entries
    assert second.entries[0].subject == "order 2"


def test_history_answers_a_view_at_once_and_queues_a_new_head(place: PromotionWorld) -> None:
    questions = Names()
    history, asked = GitHistory(place.repo, place.desired, questions), questions.names
    assert (history.past().head, asked) == ("", [QUESTION])
    history.read()
    assert (history.past().head, asked) == (place.desired.head(), [QUESTION])

    place.push_image("order", 2)
    assert history.past().head != place.desired.head()
    assert asked == [QUESTION, QUESTION]


def test_history_of_a_rewritten_trunk_is_read_anew(
    place: PromotionWorld, history: GitHistory, counting: Counting
) -> None:
    history.past()
    tree = {path: place.remote.read(path) for path in git(
        place.remote.directory, "ls-tree", "-r", "--name-only", "main").splitlines()}  # fmt: skip
    place.remote.write(tree, "another history", start=None)
    place.repo.fetch()
    place.desired.refresh()

    assert [entry.subject for entry in history.past().entries] == ["another history"]
    assert counting.asked[-1] == counting.asked[0]


def test_history_holds_older_commits_of_a_merged_branch(place: PromotionWorld, history: GitHistory) -> None:
    history.past()
    place.write({"environments/dev/kustomization.yaml": overlay("dev", level="debug")}, "newer")
    history.past()
    person, date = place.person, "2001-01-01T00:00:00+00:00"
    git(person, "fetch", "--quiet", "origin")
    git(person, "checkout", "--quiet", "-B", "main", "origin/main~1")
    (person / "environments/prod/hold.yaml").write_text(f"who: me\nwhy: a freeze\nsince: {date}\n")
    git(person, "add", ".")
    git(person, "commit", "--quiet", "--date", date, "--message", "older")
    git(person, "merge", "--quiet", "--no-edit", "origin/main")
    git(person, "push", "--quiet", "origin", "main")
    place.repo.fetch()
    place.desired.refresh()

    assert {"older", "newer"} <= {entry.subject for entry in history.past().entries}


def test_history_recognises_a_hold_and_its_end(place: PromotionWorld, history: GitHistory) -> None:
    hold = b"who: Anna\nwhy: a freeze\nsince: 2026-03-05T00:00:00Z\n"
    place.write({"environments/prod/hold.yaml": hold}, "freeze")
    held = history.past()
    assert (read_action(held.entries[0]), held.holds["prod"].why) == (LineageAction.HOLD, "a freeze")

    git(place.person, "fetch", "--quiet", "origin")
    git(place.person, "checkout", "--quiet", "-B", "main", "origin/main")
    git(place.person, "rm", "--quiet", "environments/prod/hold.yaml")
    git(place.person, "commit", "--quiet", "--message", "go on")
    git(place.person, "push", "--quiet", "origin", "main")
    place.repo.fetch()
    place.desired.refresh()
    assert read_action(history.past().entries[0]) is LineageAction.RESUME
    assert history.past().holds == {}


def test_history_leaves_out_a_release_that_cannot_be_read(place: PromotionWorld, history: GitHistory) -> None:
    place.write({"environments/prod/release.yaml": b"base: [nonsense"}, "a mistake")
    past = history.past()

    assert past.entries[0].releases == {}
    assert "prod" not in past.releases
    assert "test" in past.releases


def test_history_keeps_only_the_newest_of_large_releases(place: PromotionWorld, history: GitHistory) -> None:
    many = "".join(f"    s{number}: {{digest: 'sha256:{number:064x}'}}\n" for number in range(8000))
    first = place.desired.head()
    for number in range(5):
        release = (
            f"base: {first}\noverlay: {first}\nadmission:\n  source: dev\n  request: r{number}\n  services:\n{many}"
        )
        place.write({"environments/prod/release.yaml": release.encode()}, f"release {number}")
    read = [entry for entry in history.past().entries if entry.subject.startswith("release ")]

    assert [bool(entry.releases) for entry in read] == [True, True, True, False, False]
