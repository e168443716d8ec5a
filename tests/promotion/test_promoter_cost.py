"""The cost of the promoter's look at many overlays, counted in git processes. An unchanged overlay costs none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.core.images.reference import Image
from gitops.core.promotion.proof import Proof, Proofs
from gitops.core.revision import Revision
from tests.worlds.promotion import HOST, PromotionWorld, workload, world

COUNT, BASES = 20, 3
SERVICES = [f"service-{number}" for number in range(COUNT)]
OVERLAYS = [f"{environment}/{service}" for environment in ("dev", "test", "prod") for service in SERVICES]


def declared() -> bytes:
    services = "".join(f'  {name}: {{image: {HOST}/{name}, tags: {{semver: ">=1"}}}}\n' for name in SERVICES)
    return f"""services:
{services}environments:
  dev: {{namespace: shop-dev, images: newest}}
  test: {{namespace: shop-test, after: dev, promote: {{when: proven, soak: 5m}}}}
  prod: {{namespace: shop-prod, after: test, promote: {{when: requested, soak: 0s}}}}
""".encode()


def overlay(name: str) -> bytes:
    environment, _, service = name.partition("/")
    return f"""namespace: shop-{environment}
resources: [../../../base/{service}]
images: [{{name: {HOST}/{service}, newTag: "1.0.0", digest: "{digest(1)}"}}]
""".encode()


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Each service has run in test on `BASES` bases of its own that prod does not have yet."""
    base = {"base/kustomization.yaml": f"resources: [{', '.join(SERVICES)}]\n".encode()}
    for name in SERVICES:
        base |= {f"base/{name}/kustomization.yaml": b"resources: [app.yaml]\n", f"base/{name}/app.yaml": workload(name)}
    with world(tmp_path, declared(), {name: overlay(name) for name in OVERLAYS}, base) as made:
        for service in SERVICES:
            bases = [
                made.remote.write({f"base/{service}/app.yaml": workload(service, str(n))}, "") for n in range(BASES)
            ]
            records = [
                Proof(service, Image(f"{HOST}/{service}", "1.1.0", digest(2)), str(n), "s", Revision(base, base), 1e6,
                      made.now, ran=True)
                for n, base in enumerate(reversed(bases))
            ]  # fmt: skip
            made.shelf.kept[f"test/{service}"] = Proofs(made.now, tuple(records))
        made.repo.fetch()
        made.desired.refresh()
        yield made


def test_promoter_cost_is_bounded_by_the_bases_of_each_overlay_and_zero_the_second_time(place: PromotionWorld) -> None:
    before = len(place.processes())
    place.promoter.promote_all()
    first = place.processes()[before:]
    # Each of the overlay's own bases is compared with the locked one, with each other and with the trunk.
    pairs = BASES + BASES * (BASES - 1) // 2 + BASES
    assert COUNT * BASES <= first.count("merge-base") <= COUNT * pairs + COUNT
    before = len(place.processes())
    place.promoter.promote_all()
    assert place.processes()[before:] == []


def test_promoter_cost_of_a_commit_is_bounded_by_its_change(place: PromotionWorld) -> None:
    place.promoter.promote_all()
    place.write({"environments/dev/service-1/kustomization.yaml": overlay("dev/service-1") + b"# a remark\n"})
    before = len(place.processes())
    place.promoter.promote_all()
    # Did the trunk fast-forward, which requests were carried out, what changed.
    assert len(place.processes()) - before <= 3
