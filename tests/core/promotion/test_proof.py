"""The clock of a proof: what makes it run, stop and start again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.promotion import proof
from gitops.core.promotion.proof import Proof, ProofLook, Proofs, ProofSighting, RunningService
from gitops.core.revision import Revision
from tests.worlds.trees import Trees

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
SOAK = timedelta(minutes=2)


def image(number: int) -> Image:
    return Image("harbor.example/shop/order", f"1.{number}.0", f"sha256:{number:064x}")


def running(number: int = 1, *, closure: str = "files", settings: str = "own", commit: str = "a") -> RunningService:
    return RunningService(image(number), closure, settings, Revision(commit * 40, commit * 40))


Step = tuple[int, RunningService, ProofLook]


def watched(steps: Sequence[Step], before: Proofs | None = None, *, ran: bool = True) -> Proofs:
    """`steps`: seconds since the start, what git wants, how it looks."""
    for second, wanted, look in steps:
        seen = frozenset({"order"}) if ran else frozenset()
        at = START + timedelta(seconds=second)
        before = proof.observe(before, ProofSighting(at, {"order": wanted}, {"order": look}, seen), SOAK)
    assert before is not None
    return before


def newest(found: Proofs) -> Proof:
    return found.of("order")[0]


def good(*seconds: int, wanted: RunningService | None = None) -> list[Step]:
    return [(second, wanted or running(), ProofLook.GOOD) for second in seconds]


def test_observed_time_adds_up_until_it_is_enough() -> None:
    found = watched(good(0, 40, 80, 110))
    assert newest(found).observed == 110
    assert newest(found).healthy_since == START
    assert not newest(found).is_proven(SOAK)
    found = watched(good(150, 190), found)
    assert newest(found).observed == SOAK.total_seconds()
    assert newest(found).is_proven(SOAK)
    assert not newest(found).is_proven(timedelta(minutes=3))


def test_nothing_is_proven_before_it_was_healthy_once_though_no_soak_is_asked_for() -> None:
    assert not newest(watched([(0, running(), ProofLook.PAUSED)])).is_proven(timedelta(0))
    assert newest(watched(good(0))).is_proven(timedelta(0))


def test_what_never_ran_is_not_proven_unless_that_is_waived() -> None:
    found = watched(good(0, 40, 80, 120), ran=False)
    assert not newest(found).is_proven(SOAK)
    assert newest(found).is_proven(SOAK, needs_run=False)
    assert newest(watched(good(130), found)).is_proven(SOAK)


def test_progressing_stops_the_clock_and_degraded_turns_it_back() -> None:
    found = watched([*good(0, 30), (60, running(), ProofLook.PAUSED), *good(90, 100)])
    assert newest(found).observed == 70
    found = watched([(110, running(), ProofLook.BAD), *good(120, 150)], found)
    assert newest(found).observed == 30
    assert newest(found).healthy_since == START + timedelta(seconds=120)


def test_degraded_unproves() -> None:
    found = watched([*good(0, 50, 100, 150), (160, running(), ProofLook.BAD)])
    assert not newest(found).is_proven(timedelta(0))


def test_time_that_nobody_observed_does_not_count() -> None:
    assert newest(watched(good(0, 30, 30 + 61))).observed == 30
    restarted = replace(watched(good(0, 30)), steady=frozenset())
    assert newest(watched(good(60, 80), restarted)).observed == 50
    assert newest(watched(good(40, 10, 20))).observed == 10  # a clock that went back


def test_a_change_begins_anew_and_keeps_what_was_proven() -> None:
    found = watched(good(0, 50, 100, 150))
    for changed in (running(2), running(closure="other"), running(settings="other")):
        after = watched(good(160, 170, wanted=changed), found)
        assert [record.is_proven(SOAK) for record in after.of("order")] == [False, True]
        assert newest(after).observed == 10


def test_commits_and_tags_change_nothing() -> None:
    found = watched(good(0, 50))
    renamed = running(commit="b")
    renamed = replace(renamed, image=Image(renamed.image.name, "other", renamed.image.digest))
    found = watched(good(90, wanted=renamed), found)
    assert len(found.records) == 1
    assert newest(found).observed == 90
    assert newest(found).revision.base == "a" * 40
    assert newest(found).image.tag == "other"


def test_what_comes_back_is_proven_anew_and_only_the_newest_are_kept() -> None:
    found = watched([*good(0, 50, 100, 150), *good(160, wanted=running(2)), *good(170, 180)])
    assert [record.image for record in found.of("order")] == [image(1), image(2)]
    assert newest(found).observed == 10
    found = watched([(200 + number, running(number), ProofLook.GOOD) for number in range(30)], found)
    assert [record.image for record in found.of("order")] == [image(29 - number) for number in range(10)]


def test_an_image_without_a_digest_proves_nothing() -> None:
    loose = replace(running(), image=Image("harbor.example/shop/order", "latest"))
    assert watched(good(0, wanted=loose)).records == ()


def test_what_is_written_and_when() -> None:
    before = watched(good(0, 10))
    assert proof.is_news(None, before, SOAK)
    assert not proof.is_news(before, watched(good(20), before), SOAK)
    proven = watched(good(20, 60, 110, 160), before)
    assert proof.is_news(before, proven, SOAK)
    assert proof.is_settled(proven, SOAK)
    assert not proof.is_settled(before, SOAK)
    assert not proof.is_news(proven, watched(good(200), proven), SOAK)
    assert proof.is_news(proven, watched([(210, running(), ProofLook.BAD)], proven), SOAK)
    assert proof.PROOFS_JSON.validate_json(proof.PROOFS_JSON.dump_json(proven)) == proven


def test_looks() -> None:
    assert proof.look([Health.HEALTHY, Health.SUSPENDED], is_whole=True) is ProofLook.GOOD
    assert proof.look([Health.HEALTHY], is_whole=False) is ProofLook.PAUSED
    assert proof.look([Health.PROGRESSING, Health.HEALTHY], is_whole=True) is ProofLook.PAUSED
    assert proof.look([Health.PROGRESSING, Health.DEGRADED], is_whole=False) is ProofLook.BAD
    assert proof.look([Health.MISSING], is_whole=True) is ProofLook.BAD
    assert proof.look([], is_whole=True) is ProofLook.PAUSED


def test_a_service_reaches_what_is_its_own_and_what_is_shared() -> None:
    trees = Trees()
    files = {
        "base/kustomization.yaml": "all",
        "base/order/deployment.yaml": "order",
        "base/print/deployment.yaml": "print",
        "base/common/limits.yaml": "limits",
        "environments/dev/kustomization.yaml": "images",
    }
    services = ("order", "print", "stray")

    def found(**changes: str) -> dict[str, str]:
        edited = {path: changes.get(path.split("/")[1], text) for path, text in files.items()}
        return proof.closures(trees.tree(edited), services, "base")

    def changed(**changes: str) -> set[str]:
        return {service for service in services if found()[service] != found(**changes)[service]}

    assert changed(order="new") == {"order", "stray"}
    assert changed(common="new") == {"order", "print", "stray"}
    assert changed(dev="new") == set()


def test_settings_are_everything_but_the_images() -> None:
    trees = Trees()

    def found(**changes: str) -> str:
        texts = {"images": "[{name: a, newTag: '1'}]", "replicas": "1", "extra": "x", "base": "b"} | changes
        files = {
            "environments/dev/kustomization.yaml": f"images: {texts['images']}\nreplicas: {texts['replicas']}\n",
            "environments/dev/extra.yaml": texts["extra"],
            "base/kustomization.yaml": texts["base"],
        }
        return proof.settings("environments/dev", trees.tree(files), trees.read)

    assert found(images="[]") == found(base="c") == found()
    assert found(replicas="2") != found()
    assert found(extra="y") != found()
