"""The pages over real git and real kustomize: a release on its way through three environments, and back."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.parity import ParityComparer
from gitops.contract.parity_queue import ParityParties, ParityQueue
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.parity import ParityComparison
from gitops.core.health import Health
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.image_updates.events import ConfigPushed, ImageScanned
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.promotion.lineage import RepoHistory
from gitops.core.sync.status import Sync, SyncStatus
from gitops.history.git_history import GitHistory
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.status_page import ControllerState, PageInputs, Statuses, blueprint
from gitops.web.apps import create_page_app
from tests.status_page.reading import json, visible_text
from tests.worlds.clocks import WorldClock
from tests.worlds.ports import Names
from tests.worlds.promotion import HOST, SETTINGS, PromotionWorld, image, overlay, pipeline, world
from tests.worlds.registries import REVISION
from tests.worlds.webhooks import FixedProbes

STRAY = """patches:
- target: {kind: Deployment, name: print}
  patch: |-
    - {op: add, path: /spec/paused, value: true}
"""


class RealSource:
    """The StatusSource of a controller without a cluster: everything in git runs and is Healthy."""

    def __init__(self, place: PromotionWorld) -> None:
        self._place = place
        self._questions = Names()
        self._git_history = GitHistory(place.repo, place.desired, Names())
        comparer = ParityComparer(place.repo, place.renderer, RenderCache(place.directory / "surveys"))
        means = ParityParties(comparer, place.desired, self._questions, WorldClock(lambda: place.now))
        self.parity_queue = ParityQueue(means)
        self.pushes = SourcePushes(place.desired, WorldClock(lambda: place.now))

    @property
    def queue(self) -> list[str]:
        return self._questions.names

    def statuses(self) -> Statuses:
        found = {}
        for name in self._place.desired.overlays():
            note = self._place.notes.pending(name)
            images = dict(self._place.desired.at_head(name).images)
            found[name] = (
                SyncStatus(
                    name, name, Sync.SYNCED, Health.HEALTHY, self._place.now,
                    images=images, waiting=note.waiting, requests=note.requests,
                ),
                (),
            )  # fmt: skip
        return found

    def pipeline(self) -> Pipeline | None:
        return self._place.desired.pipeline()

    def controller(self) -> ControllerState:
        return ControllerState("config", "main", leader=True, head=self._place.desired.head())

    def past(self) -> RepoHistory:
        self._git_history.read()
        return self._git_history.past()

    def origin(self, image: Image) -> BuildOrigin | None:
        found = self._place.asking.origins.of(image)
        self._place.asking.work()
        return found

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        return self.pushes.of(service)

    def parity(self, a: str, b: str) -> ParityComparison:
        return self.parity_queue.of(a, b)

    def known_parity(self, a: str, b: str) -> ParityComparison:
        return self.parity_queue.known(a, b)

    def work(self) -> None:
        while self.queue:
            self.parity_queue.work(self.queue.pop(0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path, pipeline(variations=SETTINGS)) as made:
        made.soak()
        yield made


@pytest.fixture
def real(place: PromotionWorld) -> RealSource:
    return RealSource(place)


@pytest.fixture
def page(place: PromotionWorld, real: RealSource) -> FlaskClient:
    made = blueprint(PageInputs(real, WorldClock(lambda: place.now)))
    return create_page_app(made, FixedProbes()).test_client()


def test_release_is_followed_from_dev_to_prod(place: PromotionWorld, page: FlaskClient) -> None:
    digest = image("order", 2).digest or ""
    place.push_image("order", 2)
    place.soak()
    assert "order 1.2.0: proven in test, waits to be asked for" in visible_text(page, "/promotions")
    assert json(page, f"/api/v1/images/order/{digest}")["environments"]["prod"]["wanted"] is False

    asked = place.tag("promote/prod/friday")
    place.look()
    found = json(page, f"/api/v1/images/order/{digest}")
    assert [(each["overlay"], each["deed"], each["request"]) for each in found["lineage"]["arrivals"]] == [
        ("test", "promotion", ""),
        ("prod", "promotion", asked),
    ]
    assert found["environments"]["prod"]["settled"] is True
    assert found["lineage"]["arrivals"][1]["proven_since"] is not None
    newest = json(page, "/api/v1/promotions")["timeline"][0]
    assert (newest["deed"], newest["subject"], [each["image"]["short"] for each in newest["moved"]]) == (
        "promotion",
        "prod: order 1.2.0 from test",
        [digest[7:19]],
    )


def test_source_commit_is_followed_to_its_image_and_the_environments(tmp_path: Path) -> None:
    gated = pipeline(test="when: proven, soak: 5m, scan: {max: Low}", variations=SETTINGS)
    source = "https://git.example/shop/order"
    declared = gated.replace(b"order: {", f"order: {{source: '{source}', ".encode())
    with world(tmp_path, declared) as place:
        place.asking.serve(HOST)
        place.soak()
        real = RealSource(place)
        views = blueprint(PageInputs(real, WorldClock(lambda: place.now)))
        page = create_page_app(views, FixedProbes()).test_client()
        said = real.pushes.source_pushed(ConfigPushed((f"{source}.git",), "refs/heads/main", REVISION))
        assert said == "the push is to the source of order; the page shows it until there is an image of it"
        assert f"{REVISION[:12]} main no image names this commit yet; pushed just now" in visible_text(
            page, "/images/order"
        )

        place.asking.registry.built_from(image("order", 2), source=source)
        place.push_image("order", 2)
        place.soak()
        assert "has not scanned order 1.2.0" in visible_text(page, "/promotions")
        place.asking.registry.rated(image("order", 2), ScanSeverity.NEGLIGIBLE)
        place.asking.scans.announced(ImageScanned(HOST, image("order", 2).digest or ""))
        place.look()

        page.get("/images/order")  # the first request makes the controller query the labels
        [line] = [each for each in json(page, "/api/v1/images/order")["images"] if each["image"]["tag"] == "1.2.0"]
        assert line["source_address"] == f"{source}/commit/{REVISION}"
        assert [(each["overlay"], each["scan"]) for each in line["arrivals"]] == [("test", "Negligible")]
        assert json(page, "/api/v1/images/order")["pushes"] == []
        assert "scan found: order Negligible" in visible_text(page, "/promotions")


def test_request_names_the_person_and_the_skipped_gates(place: PromotionWorld, page: FlaskClient) -> None:
    place.push_image("order", 2)
    place.soak(1)
    place.tag("promote/prod/now", "hurry\n\n--skip-gate soak --reason orders are lost\n")
    place.look()

    [queue] = [each for each in json(page, "/api/v1/promotions")["queues"] if each["stage"]["name"] == "prod"]
    [request] = queue["requests"]
    assert (request["asked_by"], request["is_signed"], request["waived"]) == (
        "A Person", False, {"soak": "orders are lost"},
    )  # fmt: skip
    assert request["gates"] != []
    assert queue["waiting"] == []


def test_parity_tells_declared_pending_and_undeclared_apart(
    place: PromotionWorld, real: RealSource, page: FlaskClient
) -> None:
    place.write({"environments/dev/kustomization.yaml": overlay("dev", level="debug")})
    place.edit_base("order", "new")
    place.write({"environments/dev/kustomization.yaml": overlay("dev", level="debug") + STRAY.encode()})
    assert page.get("/api/v1/parity/dev/prod").status_code == 202

    real.work()
    found = json(page, "/api/v1/parity/dev/prod")
    assert {name: count > 0 for name, count in found["counts"].items()} == {
        "undeclared": True, "pending": True, "declared": True,
    }  # fmt: skip
    [pair] = found["pairs"]
    assert [(each["name"], each["field"]) for each in pair["findings"]["undeclared"]] == [("print", "/spec/paused")]
    assert "/data/LEVEL" in {each["field"] for each in pair["findings"]["declared"]}
    assert {each["rule"] for each in pair["findings"]["declared"]} == {"levels"}
    assert [re.sub(r"^\w+ ", "", line) for line in pair["commits"]] == ["an edit"]
    assert "print /spec/paused true" in visible_text(page, "/parity/dev/prod")


def test_parity_shows_the_reason_when_an_environment_does_not_render(
    place: PromotionWorld, real: RealSource, page: FlaskClient
) -> None:
    place.write({"environments/dev/kustomization.yaml": b"resources: [../../base/nowhere]\n"})
    page.get("/parity/dev/prod")
    real.work()

    assert json(page, "/api/v1/parity/dev/prod")["counts"]["undeclared"] == 1
    assert "base/nowhere" in visible_text(page, "/parity/dev/prod")
