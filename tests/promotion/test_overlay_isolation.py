"""Isolation of overlays: a fault in one overlay does not delay the promotions of another."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.kustomize.image_edit import set_image
from tests.cli.test_promotion_requests import lockstep
from tests.promotion.test_service_overlays import OVERLAYS, VARIATIONS, overlay, push_image, release
from tests.worlds.git import git
from tests.worlds.promotion import SERVICES, PromotionWorld, image, pipeline, world

LOST = "1f" * 20


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path, pipeline(variations=VARIATIONS), {name: overlay(name) for name in OVERLAYS}) as made:
        made.soak()
        yield made


def lose(place: PromotionWorld, name: str) -> None:
    """Make the release of `name` name a commit that the config repo does not have."""
    text = re.sub(rb"(?m)^overlay: [0-9a-f]{40}", b"overlay: " + LOST.encode(), release(place, name))
    place.write({f"environments/{name}/release.yaml": text})


def look_once(place: PromotionWorld, minutes: float = 5) -> None:
    place.run(environments=("dev",))
    place.pass_time(minutes)
    place.promoter.read_tags()
    place.promoter.promote_all()


@pytest.mark.parametrize("broken", ["test/print", "prod/print"])
def test_overlay_that_cannot_be_read_does_not_delay_others(place: PromotionWorld, broken: str) -> None:
    push_image(place, "order", 2)
    lose(place, broken)
    look_once(place)
    assert place.runs("test/order") == {"order": "1.2.0"}
    assert [sentence.partition(":")[0] for sentence in place.waiting(broken)] == ["nothing can be promoted"]
    assert f"commit {LOST} is not in the config repo's history" in place.waiting(broken)[0]


def test_overlay_whose_promotion_would_not_render_does_not_delay_others(place: PromotionWorld) -> None:
    patch = """patches:
- target: {kind: Deployment}
  patch: '[{op: test, path: /metadata/annotations/note, value: ""}]'
"""
    place.write({"environments/test/print/kustomization.yaml": overlay("test/print", patch)})
    place.soak()
    push_image(place, "order", 2)
    place.edit_base("print", "new")
    look_once(place)
    assert place.runs("test/order") == {"order": "1.2.0"}
    assert place.note("test/print", "print") == ""
    [said] = place.waiting("test/print")
    assert said.startswith("not promoted, since the result would be wrong: ")
    assert place.waiting("test/order") == ()


def _hold(place: PromotionWorld) -> None:
    lockstep(place, "hold", "prod/print", "--reason", "paper jam")


def _edit_image(place: PromotionWorld) -> None:
    file = "environments/prod/print/kustomization.yaml"
    place.write({file: set_image(place.remote.read(file), image("print", 9), file)})


def _unrelease(place: PromotionWorld) -> None:
    git(place.person, "fetch", "--quiet", "origin")
    git(place.person, "checkout", "--quiet", "--detach", "origin/main")
    git(place.person, "rm", "--quiet", "environments/prod/print/release.yaml")
    git(place.person, "commit", "--quiet", "--message", "print was never released")
    git(place.person, "push", "--quiet", "origin", "HEAD:main")


def _lose(place: PromotionWorld) -> None:
    lose(place, "prod/print")


@pytest.mark.parametrize("trouble", [_hold, _edit_image, _unrelease, _lose])
def test_request_for_one_service_does_not_wait_for_another(
    place: PromotionWorld, trouble: Callable[[PromotionWorld], None]
) -> None:
    for service in SERVICES:
        push_image(place, service, 2)
    place.soak()
    place.soak()
    trouble(place)
    place.repo.fetch()
    place.desired.refresh()
    place.tag("promote/prod/one", "please\n\nServices: order")
    place.promoter.read_tags()
    place.promoter.promote_all()
    assert place.runs("prod/order") == {"order": "1.2.0"}
    assert git(place.remote.directory, "log", "-1", "--format=%s", "main") == "prod: order 1.2.0 from test"


def test_request_for_all_services_waits_for_those_that_would_move(place: PromotionWorld) -> None:
    push_image(place, "order", 2)
    place.soak()
    place.soak()
    _hold(place)
    place.tag("promote/prod/first")
    place.look()
    assert place.runs("prod/order") == {"order": "1.2.0"}, (
        "print has no newer image, so its hold does not delay the request"
    )
    for service in SERVICES:
        push_image(place, service, 3)
    place.soak()
    place.soak()
    place.tag("promote/prod/second")
    place.look()
    assert place.runs("prod/order") == {"order": "1.2.0"}
    assert "request second waits: held by " in "; ".join(place.waiting("prod/order"))


def test_push_refused_by_the_trunk_is_tried_again_with_backoff(place: PromotionWorld) -> None:
    pushes = place.directory / "pushes"
    hook = place.remote.hook(
        "pre-receive", f"grep -q refs/heads/main && echo x >> {pushes} && echo main is protected >&2\nexit 1\n"
    )
    push_image(place, "order", 2)
    place.desired.refresh()
    place.run(environments=("dev",))
    place.pass_time(5)

    def looked() -> int:
        place.promoter.promote_all()
        return len(pushes.read_text().split())

    assert [looked() for _ in range(3)] == [1, 1, 1]
    [said] = place.waiting("test/order")
    assert said.startswith("not promoted: the remote refuses commits on main")
    assert "main is protected" in said
    assert re.search(r"; tried again at \d{4}-\d\d-\d\d \d\d:\d\d UTC$", said)
    found = []
    for _ in range(8):
        place.now += timedelta(minutes=1)
        found.append(looked())
    assert found == [2, 2, 3, 3, 3, 3, 4, 4]
    hook.unlink()
    place.now += timedelta(minutes=8)
    place.promoter.promote_all()
    assert place.runs("test/order") == {"order": "1.2.0"}
    assert place.waiting("test/order") == ()
