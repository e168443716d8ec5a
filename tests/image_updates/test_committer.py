"""The committer with real git remotes: each acknowledged change is on the remote exactly once, and no commit of another
writer is lost.
"""

import hashlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.core.errors import Unavailable
from gitops.core.image_updates.changes import Change
from gitops.core.image_updates.events import ImagePushed
from gitops.core.kustomize.image_edit import images
from gitops.image_updates.batch import ImageSources
from gitops.image_updates.committer import CommitPace, Committer, CommitterParties
from tests.worlds import clocks
from tests.worlds.clocks import WorldClock
from tests.worlds.git import Remote, git
from tests.worlds.image_sources import Half, KnownImages, UsedImages

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
HOST = "harbor.tuling.internal/tuling"
SERVICES = 100


def pipeline(services: Sequence[str], tags: str = '{semver: ">=1.0 <2"}') -> bytes:
    lines = [
        "registries:",
        f"- {{host: {HOST.partition('/')[0]}, aliases: ['192.168.1.16:30002']}}",
        "services:",
        *(f"  {name}: {{image: {HOST}/{name}, tags: {tags}}}" for name in services),
        "environments:",
        "  dev: {namespace: tuling-dev, images: newest}",
        "  test: {namespace: tuling-test, after: dev}",
    ]
    return "\n".join(lines).encode() + b"\n"


def kustomization(services: Sequence[str]) -> bytes:
    entries = [f'- name: {HOST}/{name}\n  newTag: "1.0.0" # {name}\n' for name in services]
    return ("resources: [../../base]\nimages:\n" + "".join(entries)).encode()


def pushed(service: str, tag: str, *, after: int = 0, digest: str = "") -> ImagePushed:
    name = digest or hashlib.sha256(f"{service}:{tag}".encode()).hexdigest()
    return ImagePushed(f"{HOST}/{service}", tag, f"sha256:{name}", START + timedelta(seconds=after))


class World:
    """A remote, a clone, and a committer with real clocks."""

    def __init__(self, tmp_path: Path, files: dict[str, bytes] | None = None) -> None:
        single = {"environments/dev/kustomization.yaml": kustomization(["print-api", "order"])}
        start = {"environments/pipeline.yaml": pipeline(["print-api", "order"]), **single}
        self.remote = Remote(tmp_path / "remote.git", start if files is None else files)
        self.repo = GitConfigRepo(
            self.remote.url, "main", tmp_path / "clone", GitOptions(limits=GitLimits(fetch=10.0, push=10.0))
        )
        self.rechecked: list[tuple[str, tuple[Change, ...]]] = []
        self.revisions: dict[str, str] = {}
        self._committers: list[Committer] = []

    def committer(
        self,
        used: UsedImages = lambda _overlay, _image: None,
        pace: CommitPace | None = None,
        now: Callable[[], datetime] = clocks.now,
    ) -> Committer:
        known, clock = KnownImages(used, self.revisions), WorldClock(now)
        parties = CommitterParties(self.repo, ImageSources(known, known), self, clock, Half())
        committer = Committer(parties, pace or CommitPace(first_retry=0.02, last_retry=0.1))
        self.repo.fetch()
        committer.start()
        self._committers.append(committer)
        return committer

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None:
        self.rechecked.append((head, tuple(changes)))

    def deployed(self, file: str = "environments/dev/kustomization.yaml") -> dict[str, str | None]:
        return {image.name.rpartition("/")[2]: image.tag for image in images(self.remote.read(file), file)}

    def close(self) -> None:
        for committer in self._committers:
            committer.stop(10)
        self.repo.close()


class Silence:
    """Implements ports.CommitListener."""

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until `holds` is true, which another thread brings about."""
    end, tick = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        tick.wait(0.01)


def accept(committer: Committer, event: ImagePushed, deadline: float = 30) -> str:
    (answer,) = committer.accept([event], delivery="d-1", deadline=deadline)
    return answer


def test_answer_means_that_the_commit_is_on_the_remote(world: World) -> None:
    committer = world.committer()
    before = world.remote.read("environments/dev/kustomization.yaml")

    answer = accept(committer, replace(pushed("print-api", "1.5.0"), image="192.168.1.16:30002/tuling/print-api"))

    event = pushed("print-api", "1.5.0")
    expected = before.replace(
        b'newTag: "1.0.0" # print-api\n', b'newTag: "1.5.0" # print-api\n  digest: "%s"\n' % event.digest.encode()
    )
    head = world.remote.head()
    assert world.remote.read("environments/dev/kustomization.yaml") == expected
    assert answer == f"dev: print-api 1.5.0 ({event.digest[7:19]}) is in the config repo, commit {head[:12]}"
    assert world.remote.subjects()[0] == f"dev: print-api 1.5.0 (sha256:{event.digest[7:19]})"
    until(lambda: bool(world.rechecked))
    assert [(revision, changes[0].target.overlay) for revision, changes in world.rechecked] == [(head, "dev")]


def test_commit_names_the_build_origin_of_its_image_if_it_is_known(world: World) -> None:
    committer = world.committer()
    accept(committer, pushed("order", "1.5.0"))
    assert "Lockstep-Source-Revision" not in git(world.remote.directory, "log", "-1", "--format=%B", "main")
    world.revisions[pushed("print-api", "1.5.0").digest] = "ab" * 20
    accept(committer, pushed("print-api", "1.5.0"))
    trailers = git(world.remote.directory, "log", "-1", "--format=%(trailers:only)", "main")
    assert f"Lockstep-Source-Revision: {'ab' * 20}" in trailers.splitlines()


def test_a06_repeated_event_makes_no_second_commit(world: World) -> None:
    committer = world.committer()
    accept(committer, pushed("print-api", "1.5.0"))
    assert accept(committer, pushed("print-api", "1.5.0")).startswith("dev: print-api is at 1.5.0")
    assert len(world.remote.subjects()) == 2


def test_event_that_changes_nothing_is_answered_with_the_reason(world: World) -> None:
    committer = world.committer(used=lambda *_: {f"{HOST}/print-api"})
    accept(committer, pushed("print-api", "1.5.0"))
    head = world.remote.head()
    assert "1.4.0 is older than 1.5.0" in accept(committer, pushed("print-api", "1.4.0"))
    assert 'outside semver ">=1.0 <2"' in accept(committer, pushed("print-api", "2.0.0"))
    assert "no service" in accept(committer, pushed("unknown", "1.0.0"))
    assert "registry evil.example is not declared" in accept(
        committer, replace(pushed("print-api", "1.9.0"), image="evil.example/tuling/print-api")
    )
    assert accept(committer, pushed("order", "1.9.0")) == f"no container of overlay dev uses image {HOST}/order"
    assert world.remote.head() == head


def test_a06_replayed_push_does_not_undo_a_manual_rollback(world: World) -> None:
    committer = world.committer()
    before = world.remote.read("environments/dev/kustomization.yaml")
    accept(committer, pushed("print-api", "1.5.0"))
    world.remote.write({"environments/dev/kustomization.yaml": before}, "back to 1.0.0")
    assert "was written before and has been replaced since" in accept(committer, pushed("print-api", "1.5.0"))
    assert world.deployed()["print-api"] == "1.0.0"


def test_push_time_of_the_registry_decides_between_pushes_of_one_tag(tmp_path: Path) -> None:
    files = {
        "environments/pipeline.yaml": pipeline(["print-api"], "{follow: main}"),
        "environments/dev/kustomization.yaml": kustomization(["print-api"]),
    }
    world = World(tmp_path, files)
    committer = world.committer()
    accept(committer, pushed("print-api", "main", after=20, digest="2" * 64))
    assert "superseded" in accept(committer, pushed("print-api", "main", after=10, digest="1" * 64))
    accept(committer, pushed("print-api", "main", after=30, digest="3" * 64))
    assert b"sha256:" + b"3" * 64 in world.remote.read("environments/dev/kustomization.yaml")
    world.close()


def test_hold_keeps_new_images_out_until_it_ends(world: World) -> None:
    committer = world.committer()
    hold = b"who: ann\nwhy: demo\nsince: 2026-01-01T00:00:00Z\n"
    world.remote.write({"environments/dev/hold.yaml": hold}, "hold")
    # The committer has not fetched this head. Its push fails with a conflict, and then it must find the hold.
    assert accept(committer, pushed("print-api", "1.5.0")).startswith("held by ann: no new images in dev until")
    world.remote.write({"environments/dev/hold.yaml": b"who: ann\n"}, "a hold that cannot be read")
    assert "hold.yaml:1: `why` is missing" in accept(committer, pushed("print-api", "1.5.0"))
    world.remote.write({"environments/dev/hold.yaml": hold + b"until: 2026-01-01T01:00:00Z\n"}, "short hold")
    assert "in the config repo" in accept(committer, pushed("print-api", "1.5.0"))


def test_malformed_overlay_is_answered_with_file_and_line(world: World) -> None:
    world.remote.write({"environments/dev/kustomization.yaml": b"images:\n- name: [\n"}, "oops")
    head = world.remote.head()
    answer = accept(world.committer(), pushed("print-api", "1.5.0"))
    assert answer.startswith("dev: nothing was written: environments/dev/kustomization.yaml:")
    assert world.remote.head() == head


def test_service_overlay_is_found_by_its_image(tmp_path: Path) -> None:
    files = {"environments/pipeline.yaml": pipeline(["print-api", "order"])}
    files["environments/dev/first/kustomization.yaml"] = kustomization(["print-api"])
    files["environments/dev/order/kustomization.yaml"] = b"resources: [../../../base/order]\n"
    world = World(tmp_path, files)
    committer = world.committer()
    accept(committer, pushed("print-api", "1.5.0"))
    accept(committer, pushed("order", "1.5.0"))
    assert world.deployed("environments/dev/first/kustomization.yaml") == {"print-api": "1.5.0"}
    assert world.deployed("environments/dev/order/kustomization.yaml") == {"order": "1.5.0"}
    world.close()


def test_storm_loses_no_event_and_commits_only_final_values(tmp_path: Path) -> None:
    names = [f"service-{number}" for number in range(SERVICES)]
    files = {"environments/pipeline.yaml": pipeline(names), "environments/dev/kustomization.yaml": kustomization(names)}
    world = World(tmp_path, files)
    committer = world.committer()
    events = [pushed(name, f"1.{minor}.0", after=minor) for minor in range(1, 11) for name in names]
    with ThreadPoolExecutor(64) as senders:
        answers = list(senders.map(lambda event: accept(committer, event, 60), reversed(events)))
    assert len(answers) == 1000
    assert world.deployed() == dict.fromkeys(names, "1.10.0")
    assert len(world.remote.subjects()) - 1 < len(events) / 2
    until(lambda: bool(world.rechecked) and world.rechecked[-1][0] == world.remote.head())
    world.close()


def test_conflicts_with_a_busy_writer_lose_no_commit_and_no_change(tmp_path: Path, world: World) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", world.remote.url, str(other))
    stop = threading.Event()
    theirs: list[str] = []

    def write() -> None:
        while not stop.is_set() and len(theirs) < 40:
            number = len(theirs)
            (other / "base.txt").write_text(f"{number}\n")
            git(other, "add", "base.txt")
            git(other, "commit", "--quiet", "--message", f"theirs {number}")
            while not _pushes(other):
                git(other, "pull", "--quiet", "--rebase")
            theirs.append(f"theirs {number}")

    committer = world.committer()
    writer = threading.Thread(target=write)
    writer.start()
    for minor in range(1, 16):
        accept(committer, pushed("print-api", f"1.{minor}.0", after=minor), 60)
    stop.set()
    writer.join()
    subjects = world.remote.subjects()
    assert [subject for subject in reversed(subjects) if subject.startswith("theirs")] == theirs
    assert len([subject for subject in subjects if subject.startswith("dev: print-api")]) == 15
    assert world.deployed()["print-api"] == "1.15.0"


def _pushes(clone: Path) -> bool:
    try:
        git(clone, "push", "--quiet", "origin", "main")
    except AssertionError:
        return False
    return True


def test_push_refusal_is_quoted_and_tried_again(world: World) -> None:
    hook = world.remote.hook("pre-receive", "echo 'branch main is protected' >&2; exit 1\n")
    committer = world.committer()
    with pytest.raises(Unavailable, match="branch main is protected") as caught:
        accept(committer, pushed("print-api", "1.5.0"))
    assert caught.value.reason == "PushRefused"
    trouble = committer.trouble
    assert trouble is not None
    assert "branch main is protected" in str(trouble)
    hook.unlink()
    until(lambda: world.deployed()["print-api"] == "1.5.0")
    until(lambda: committer.trouble is None)
    assert committer.waiting == 0


def test_remote_that_comes_back_gets_all_waiting_changes(world: World) -> None:
    committer = world.committer()
    away = world.remote.directory.with_name("away.git")
    world.remote.directory.rename(away)
    with pytest.raises(Unavailable):
        accept(committer, pushed("print-api", "1.5.0"), 0.5)
    until(lambda: committer.trouble is not None)
    with pytest.raises(Unavailable):
        accept(committer, pushed("order", "1.6.0"), 0.0)
    away.rename(world.remote.directory)
    until(lambda: world.deployed() == {"print-api": "1.5.0", "order": "1.6.0"})
    until(lambda: committer.trouble is None)


def test_full_inbox_refuses_a_delivery_at_once(world: World) -> None:
    committer = world.committer(pace=CommitPace(most_events=1))
    with pytest.raises(Unavailable) as caught:
        committer.accept([pushed("print-api", "1.5.0"), pushed("order", "1.5.0")], delivery="d", deadline=5)
    assert caught.value.reason == "QueueFull"


def test_delivery_that_cannot_be_in_time_is_refused_at_once_and_kept(world: World) -> None:
    hook = world.remote.hook("pre-receive", "exit 1\n")
    committer = world.committer(pace=CommitPace(first_retry=4, last_retry=4))
    with pytest.raises(Unavailable):
        accept(committer, pushed("print-api", "1.5.0"))
    hook.unlink()
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        accept(committer, pushed("order", "1.5.0"), 2.0)
    assert caught.value.reason == "QueueTooLong"
    assert time.monotonic() - started < 1.0
    until(lambda: world.deployed() == {"print-api": "1.5.0", "order": "1.5.0"})


def test_a13_repeated_deliveries_do_not_fill_the_inbox_while_the_remote_is_away(world: World) -> None:
    committer = world.committer(pace=CommitPace(first_retry=2, last_retry=2))
    away = world.remote.directory.with_name("away.git")
    world.remote.directory.rename(away)
    with pytest.raises(Unavailable):
        accept(committer, pushed("print-api", "1.5.0"), 0.5)
    until(lambda: committer.trouble is not None)
    reasons = set()
    for _ in range(50):
        with pytest.raises(Unavailable) as caught:
            accept(committer, pushed("print-api", "1.5.0"), 0.0)
        reasons.add(caught.value.reason)
    assert reasons == {"QueueTooLong"}
    until(lambda: committer.waiting == 1)
    away.rename(world.remote.directory)
    until(lambda: world.deployed()["print-api"] == "1.5.0")


def test_delivery_that_raises_a_bug_does_not_stop_the_others(world: World) -> None:
    """The answer and the log report the bug. Deliveries beside it and after it are committed."""
    is_deciding, both_wait = threading.Event(), threading.Event()

    def used(_overlay: str, image: str) -> set[str] | None:
        is_deciding.set()
        assert both_wait.wait(20)
        if image.endswith("/order"):
            raise KeyError(image)
        return None

    committer = world.committer(used=used)
    with ThreadPoolExecutor(3) as senders:
        first = senders.submit(accept, committer, pushed("print-api", "1.4.0"))
        assert is_deciding.wait(20)
        bad = senders.submit(accept, committer, pushed("order", "1.5.0"))
        good = senders.submit(accept, committer, pushed("print-api", "1.5.0"))
        until(lambda: committer.waiting == 3)
        both_wait.set()
        assert "is in the config repo" in first.result()
        assert "is in the config repo" in good.result()
        with pytest.raises(Unavailable) as caught:
            bad.result()
    assert caught.value.reason == "InternalError"
    assert world.deployed() == {"print-api": "1.5.0", "order": "1.0.0"}
    until(lambda: committer.waiting == 0)
    world.remote.directory.rename(world.remote.directory.with_name("away.git"))
    with pytest.raises(Unavailable, match="see the controller's log"):
        accept(committer, pushed("order", "1.6.0"))
    until(lambda: committer.waiting == 0)


def test_crowded_inbox_is_reported_until_its_commit(world: World) -> None:
    committer = world.committer()
    away = world.remote.directory.with_name("away.git")
    world.remote.directory.rename(away)
    crowd = [pushed("order", f"1.1.{number}", after=number) for number in range(60)]
    with ThreadPoolExecutor(1) as sender:
        answers = sender.submit(committer.accept, crowd, delivery="d", deadline=30)
        until(committer.is_crowded)
        assert committer.waiting == 60
        away.rename(world.remote.directory)
        assert len(answers.result()) == 60
    until(lambda: committer.waiting == 0)
    assert not committer.is_crowded()
    assert world.deployed()["order"] == "1.1.59"


def test_stop_commits_waiting_events_and_refuses_new_ones(world: World) -> None:
    committer = world.committer()
    world.remote.hook("pre-receive", "sleep 0.3\n")
    with ThreadPoolExecutor(1) as senders:
        answer = senders.submit(accept, committer, pushed("print-api", "1.5.0"))
        until(lambda: committer.waiting == 1)
        assert committer.stop(20)
        assert "in the config repo" in answer.result()
    with pytest.raises(Unavailable) as caught:
        accept(committer, pushed("order", "1.5.0"))
    assert caught.value.reason == "Stopping"


def test_stop_abandons_events_that_the_remote_refuses(world: World) -> None:
    committer = world.committer()
    world.remote.hook("pre-receive", "exit 1\n")
    with pytest.raises(Unavailable):
        accept(committer, pushed("print-api", "1.5.0"))
    committer.stop(5)
    assert world.deployed()["print-api"] == "1.0.0"


def test_service_that_was_just_declared_is_known(world: World) -> None:
    committer = world.committer()
    names = ["print-api", "order", "travel"]
    world.remote.write({"environments/pipeline.yaml": pipeline(names)}, "travel, too")
    assert "in the config repo" in accept(committer, pushed("travel", "1.5.0"))
    assert world.deployed()["travel"] == "1.5.0"


def test_delivery_gets_one_sentence_for_each_event(world: World) -> None:
    events = [pushed("print-api", "1.5.0"), pushed("unknown", "1.0.0"), pushed("print-api", "1.6.0", after=1)]
    answers = world.committer().accept(events, delivery="d", deadline=30)
    assert [answer.partition(" (")[0] for answer in answers] == [
        "dev: print-api 1.5.0",
        f"no service of pipeline.yaml has the image {HOST}/unknown",
        "dev: print-api 1.6.0",
    ]
    assert "superseded by a newer push" in answers[0]
    assert len(world.remote.subjects()) == 2


def test_batch_ignores_an_older_push_behind_a_newer_one(world: World) -> None:
    events = [
        pushed("print-api", "1.6.0", after=1),
        pushed("print-api", "1.5.0"),
        pushed("print-api", "1.6.0", after=1),
    ]
    answers = world.committer().accept(events, delivery="d", deadline=30)
    assert "in the config repo" in answers[0]
    assert "1.5.0 is older than 1.6.0" in answers[1]
    assert "already" in answers[2]
    assert world.deployed()["print-api"] == "1.6.0"


def test_lost_answer_of_the_remote_makes_no_second_commit(world: World) -> None:
    committer = world.committer()
    world.remote.hook("reference-transaction", "cat > /dev/null; [ $1 != committed ] || kill -9 $PPID\n")
    assert "in the config repo" in accept(committer, pushed("print-api", "1.5.0"))
    assert "already" in accept(committer, pushed("print-api", "1.5.0"))
    assert len(world.remote.subjects()) == 2


def test_controllers_beside_each_other_lose_no_change(tmp_path: Path) -> None:
    names = [f"service-{number}" for number in range(12)]
    files = {"environments/pipeline.yaml": pipeline(names), "environments/dev/kustomization.yaml": kustomization(names)}
    world = World(tmp_path, files)
    clones = [GitConfigRepo(world.remote.url, "main", tmp_path / f"clone-{number}") for number in range(3)]
    committers = []
    for clone in clones:
        world.repo = clone
        committers.append(world.committer())
    events = [pushed(name, f"1.{minor}.0", after=minor) for minor in range(1, 6) for name in names]

    def send(numbered: tuple[int, ImagePushed]) -> str:
        return accept(committers[numbered[0] % 3], numbered[1], 120)

    with ThreadPoolExecutor(12) as senders:
        answers = list(senders.map(send, enumerate(events)))
    assert len(answers) == len(events)
    assert world.deployed() == dict.fromkeys(names, "1.5.0")
    subjects = world.remote.subjects()[:-1]
    assert len(subjects) == len(set(subjects))
    world.close()
    for clone in clones:
        clone.close()


CONTROLLER = """
import sys
from pathlib import Path
from tests.image_updates.test_committer import accept, pushed, Silence
from tests.image_updates.test_committer import Committer, CommitterParties, GitConfigRepo, ImageSources
from tests.worlds.clocks import WorldClock
from tests.worlds.image_sources import Half, KnownImages

repo = GitConfigRepo(sys.argv[1], "main", Path(sys.argv[2]))
clock = WorldClock()
committer = Committer(CommitterParties(repo, ImageSources(KnownImages()), Silence(), clock, Half()))
while True:
    try:
        repo.fetch()
        break
    except Exception:
        pass
committer.start()
for minor in range(int(sys.argv[3]), 1000):
    accept(committer, pushed("print-api", f"1.{minor}.0", after=minor))
    print(minor, file=sys.stderr, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_keeps_each_acknowledged_commit_exactly_once(tmp_path: Path, world: World, seed: int) -> None:
    moment = random.Random(seed)
    minor = 1
    for _ in range(4):
        acknowledged = _run_until_killed(world.remote.url, tmp_path / "killed", minor, moment)
        subjects = " ".join(world.remote.subjects())
        for number in acknowledged:
            assert subjects.count(f"print-api 1.{number}.0 ") == 1
        minor = acknowledged[-1] + 1  # the event under way is sent again, as its sender would
    # Every object that a ref reaches is complete. Unreachable objects may be incomplete: the kill also hits the
    # server's side of a push, which moves objects in before it moves the ref.
    assert git(world.remote.directory, "rev-list", "--objects", "--quiet", "--all") == ""


def _run_until_killed(url: str, clone: Path, minor: int, moment: random.Random) -> list[int]:
    """Run a controller in its own process, kill it at a random moment, and return the versions that it acknowledged."""
    command = [sys.executable, "-c", CONTROLLER, url, str(clone), str(minor)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr is not None
        try:
            acknowledged = [int(controller.stderr.readline()) for _ in range(moment.randint(1, 4))]
            threading.Event().wait(moment.random() * 0.1)  # the kill hits any step of the next commit
        finally:
            controller.kill()
        return acknowledged + [int(line) for line in controller.stderr.read().split()]
