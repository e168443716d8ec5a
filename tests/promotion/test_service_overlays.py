"""One overlay for each service (`prod/order`): each is proven, promoted, held, rolled back and compared alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.checker import Checker
from gitops.contract.parity import ParityComparer
from gitops.contract.surveyor import Surveyor
from gitops.core.config_repo.release import parse_release
from gitops.core.health import Health
from gitops.render.builds import Builds
from tests.cli.test_promotion_requests import lockstep
from tests.worlds.git import git
from tests.worlds.promotion import SERVICES, PromotionWorld, image, pipeline, workload, world

OVERLAYS = [f"{environment}/{service}" for environment in ("dev", "test", "prod") for service in SERVICES]
VARIATIONS = "variations: [{name: levels, kinds: [Deployment], field: /spec/replicas}]\n"


def overlay(name: str, more: str = "") -> bytes:
    environment, _, service = name.partition("/")
    found = image(service, 1)
    return f"""namespace: shop-{environment}
resources: [../../../base/{service}]
images:
- name: {found.name}
  newTag: "{found.tag}"
  digest: {found.digest}
{more}""".encode()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    overlays = {name: overlay(name) for name in OVERLAYS}
    with world(tmp_path, pipeline(variations=VARIATIONS), overlays) as made:
        made.soak()
        yield made


def push_image(place: PromotionWorld, service: str, number: int) -> None:
    place.push_image(service, number, f"dev/{service}")


def release(place: PromotionWorld, name: str) -> bytes:
    return place.remote.read(f"environments/{name}/release.yaml")


def test_service_overlay_moves_when_it_is_proven_itself(place: PromotionWorld) -> None:
    before = release(place, "test/print")
    push_image(place, "order", 2)
    push_image(place, "print", 2)
    place.run(health={"print": Health.PROGRESSING})
    place.pass_time(5)
    place.run(health={"print": Health.PROGRESSING})
    place.look()
    assert place.runs("test/order") == {"order": "1.2.0"}
    assert place.runs("test/print") == {"print": "1.1.0"}
    assert place.waiting("test/print")[0].startswith("print 1.2.0 soaks in dev until ")
    assert release(place, "test/print") == before
    place.soak()
    assert place.runs("test/print") == {"print": "1.2.0"}


def test_service_overlay_moves_to_a_base_only_if_it_reaches_the_change(place: PromotionWorld) -> None:
    before = release(place, "test/print")
    place.edit_base("order", "new")
    place.soak()
    assert place.note("test/order", "order") == "new"
    assert release(place, "test/print") == before


def test_service_overlays_are_requested_all_together_or_by_name(place: PromotionWorld) -> None:
    for service in SERVICES:
        push_image(place, service, 2)
    place.soak()
    place.soak()
    lockstep(place, "promote", "prod", "order", "--name", "one")
    place.look()
    assert (place.runs("prod/order"), place.runs("prod/print")) == ({"order": "1.2.0"}, {"print": "1.1.0"})
    for service in SERVICES:
        push_image(place, service, 3)
    place.soak()
    place.soak()
    lockstep(place, "promote", "prod", "--name", "all")
    place.look()
    assert (place.runs("prod/order"), place.runs("prod/print")) == ({"order": "1.3.0"}, {"print": "1.3.0"})
    assert place.subjects(2) == ["prod: order 1.3.0, print 1.3.0 from test", "prod: images of the next release"]


def test_service_overlay_is_rolled_back_held_and_resumed_alone(place: PromotionWorld) -> None:
    before = place.desired.build("test/order")
    push_image(place, "order", 2)
    place.soak()
    assert place.desired.build("test/order") != before
    print_before = release(place, "test/print")
    said = lockstep(place, "rollback", "test/order", "--reason", "orders were lost")
    assert said.startswith("test/order: roll back test/order to ")
    assert place.desired.build("test/order") == before
    assert release(place, "test/print") == print_before
    assert b"orders were lost" in place.remote.read("environments/test/order/hold.yaml")
    push_image(place, "order", 3)
    push_image(place, "print", 3)
    place.soak()
    assert place.runs("test/order") == {"order": "1.1.0"}
    assert place.runs("test/print") == {"print": "1.3.0"}
    lockstep(place, "resume", "test/order")
    place.look()
    assert place.runs("test/order") == {"order": "1.3.0"}


def test_service_overlays_are_all_held_by_a_hold_on_the_environment(place: PromotionWorld) -> None:
    lockstep(place, "hold", "test", "--reason", "stocktaking")
    for service in SERVICES:
        push_image(place, service, 2)
    place.soak()
    assert (place.runs("test/order"), place.runs("test/print")) == ({"order": "1.1.0"}, {"print": "1.1.0"})
    lockstep(place, "resume", "test")
    place.look()
    assert (place.runs("test/order"), place.runs("test/print")) == ({"order": "1.2.0"}, {"print": "1.2.0"})


def test_service_overlays_are_rolled_back_together_by_the_environment_name(place: PromotionWorld) -> None:
    before = {name: place.desired.build(name) for name in OVERLAYS if name.startswith("test/")}
    for service in SERVICES:
        push_image(place, service, 2)
    place.soak()
    lockstep(place, "rollback", "test")
    assert {name: place.desired.build(name) for name in before} == before
    held = git(place.remote.directory, "ls-tree", "-r", "--name-only", "main", "environments/test")
    assert [path for path in held.splitlines() if path.endswith("hold.yaml")] == ["environments/test/hold.yaml"]


def test_service_overlays_are_checked_and_compared_one_by_one(place: PromotionWorld, tmp_path: Path) -> None:
    push_image(place, "order", 2)
    place.soak()
    tree = WorkTree(place.remote.directory, {})
    try:
        memo = RenderCache(tmp_path / "checks")
        head = tree.head()
        report = Checker(tree, Surveyor(Builds(tree, place.renderer), memo), tree).check(head)
        assert report.passes(ahead=True), report.forbidden()
        assert [each.overlay.name for each in report.checked] == OVERLAYS
        comparer = ParityComparer(tree, place.renderer, memo)
        found = {(pair.a, pair.b): [str(each.status) for each in pair.findings] for pair in comparer.parity(
            head, "test", "prod")}  # fmt: skip
        assert found == {("test/order", "prod/order"): ["pending"], ("test/print", "prod/print"): []}
        [pair] = comparer.parity(head, "dev/order", "test/order")
        assert pair.findings == ()
    finally:
        tree.close()


def test_service_overlay_has_its_own_evidence_in_its_release(place: PromotionWorld) -> None:
    push_image(place, "order", 2)
    place.soak()
    found = parse_release(release(place, "test/order"), "release.yaml")
    assert found.admission is not None
    assert set(found.admission.services) == {"order"}
    assert found.admits("order", image("order", 2).digest or "")
    assert found.admits_base()


def test_service_overlay_without_a_counterpart_is_named_by_parity(place: PromotionWorld, tmp_path: Path) -> None:
    found = image("cart", 1)
    declared = place.remote.read("environments/pipeline.yaml")
    row = b"services:\n  cart: {image: registry.example/cart, tags: {semver: '>=1'}}\n"
    place.write(
        {
            "environments/pipeline.yaml": declared.replace(b"services:\n", row),
            "base/kustomization.yaml": b"resources: [order, print, cart]\n",
            "base/cart/kustomization.yaml": b"resources: [app.yaml]\n",
            "base/cart/app.yaml": workload("cart"),
            "environments/dev/cart/kustomization.yaml": overlay("dev/order")
            .replace(b"base/order", b"base/cart")
            .replace(image("order", 1).name.encode(), found.name.encode())
            .replace((image("order", 1).digest or "").encode(), (found.digest or "").encode()),
        }
    )
    place.soak()
    tree = WorkTree(place.remote.directory, {})
    try:
        pairs = ParityComparer(tree, place.renderer, RenderCache(tmp_path / "c")).parity(tree.head(), "dev", "test")
    finally:
        tree.close()
    assert [pair.trouble for pair in pairs if pair.a == "dev/cart"] == ["dev/cart has no counterpart"]
