"""A release on a real API server: dev, test automatically, prod by a pushed tag, rollback, hold, resume."""

import json
import os
import subprocess
import sys
from hashlib import sha256

import pytest

from gitops.core.health import Health
from gitops.local.announce import delivery
from tests.cli.test_promotion_requests import PERSON
from tests.e2e.config_repo import REGISTRY, Names, overlay
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import GIT_SECRET, World
from tests.worlds.git import git
from tests.worlds.kubernetes import eventually


def pipeline(names: Names, test: str) -> str:
    return f"""trunk: main
registries:
- {{host: {REGISTRY}, aliases: ["10.0.0.1:5000"]}}
services:
  shop: {{image: {REGISTRY}/demo/shop, tags: {{semver: ">=1"}}}}
  desk: {{image: {REGISTRY}/demo/desk, tags: {{semver: ">=1"}}}}
environments:
  {names.dev}: {{namespace: {names.dev}, images: newest}}
  {names.split}: {{namespace: {names.split}, images: newest}}
  {test}: {{namespace: {test}, after: {names.dev}, promote: {{when: proven, soak: 2s, rollback: {{within: 5m}}}}}}
  {names.prod}: {{namespace: {names.prod}, after: {test}, promote: {{when: requested, soak: 1s}}}}
variations:
- {{field: /**}}
- {{objects: [{{kind: '*', name: '*'}}]}}
"""


BREAKS = """patches:
- target: {kind: Deployment, name: shop}
  patch: |-
    - {op: add, path: /spec/progressDeadlineSeconds, value: 2}
    - {op: add, path: /spec/template/metadata/labels/lockstep.local~1fail, value: "true"}
"""


@pytest.fixture(scope="module")
def shop(worlds: MakeWorld) -> World:
    """Three environments in order, all at 1.0.0."""
    made = worlds()
    test = f"test{made.names.number}"
    made.console.create_namespace(test)
    tree = {
        "environments/pipeline.yaml": pipeline(made.names, test),
        f"environments/{test}/kustomization.yaml": overlay(test, resources="[../../base/shop]", shop="1.0.0"),
    }
    commit = made.person.push(tree, "an environment between dev and prod")
    release = f"base: {commit}\noverlay: {commit}\nwaived: adoption\n"
    made.person.push({f"environments/{test}/release.yaml": release}, "test is locked")
    made.start()
    made.until_ready(made.names.dev, test, made.names.prod)
    return made


def tag(shop: World, name: str) -> None:
    """A person pushes a tag; the git host sends its webhook."""
    clone = shop.directory / "clone"
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "tag", "-a", "-m", "out with it", name, "origin/main")
    git(clone, "push", "--quiet", "origin", f"refs/tags/{name}")
    made = git(clone, "rev-parse", f"refs/tags/{name}")
    body, headers = delivery(f"{'0' * 40} {made} refs/tags/{name}", str(shop.remote), GIT_SECRET.encode())
    assert shop.post("git-host", body, headers).status == 200


def lockstep(shop: World, *arguments: str) -> None:
    """A person runs a command; the git host sends a webhook for the commit."""
    ran = subprocess.run(
        [sys.executable, "-m", "gitops", *arguments, "--repo", str(shop.remote)],
        env={**os.environ, **PERSON},  # noqa: TID251 - a person's environment
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert shop.announce(git(shop.remote, "rev-parse", "main")).status == 200


def test_promotion_of_a_release_to_prod_and_back(shop: World) -> None:
    prod, test = shop.names.prod, f"test{shop.names.number}"
    assert shop.push_image("shop", "1.1.0").is_acked
    shop.until_image(test, "shop", "1.1.0")
    shop.until_status(prod, lambda found: any("waits to be asked for" in each for each in found.waiting))
    tag(shop, f"promote/{prod}/friday")
    shop.until_image(prod, "shop", "1.1.0")
    shop.until_ready(test, prod)

    lockstep(shop, "rollback", prod, "--reason", "orders were lost")
    shop.until_image(prod, "shop", "1.0.0")

    assert shop.push_image("shop", "1.2.0").is_acked
    shop.until_image(test, "shop", "1.2.0")
    shop.until_ready(test)
    tag(shop, f"promote/{prod}/monday")
    held = shop.until_status(prod, lambda found: bool(found.requests))
    assert [(each.name, each.gates[0][:8]) for each in held.requests if each.name == "monday"] == [
        ("monday", "held by ")
    ]
    eventually(lambda: '"name": "monday"' in shop.page(f"/api/v1/overlays/{prod}").text)

    lockstep(shop, "resume", prod)
    shop.until_image(prod, "shop", "1.2.0")
    done = shop.until_status(prod, lambda found: not found.requests and not found.waiting)
    assert done.images["shop"].tag == "1.2.0"
    said = git(shop.remote, "log", "--format=%s", "main").splitlines()
    assert f"{prod}: shop 1.2.0 from {test}" in said


def test_promotion_history_is_on_the_page(shop: World) -> None:
    prod, test = shop.names.prod, f"test{shop.names.number}"
    shop.until_ready(test, prod)
    shop.page("/promotions")
    shop.controller.until("git history read", revision=git(shop.remote, "rev-parse", "main"))
    promotions = json.loads(shop.page("/api/v1/promotions").text)
    told = [(event["deed"], event["environments"]) for event in promotions["timeline"]]
    for event in (("promotion", [prod]), ("rollback", [prod]), ("resume", [prod]), ("promotion", [test])):
        assert event in told
    assert told.index(("resume", [prod])) < told.index(("rollback", [prod]))

    images = json.loads(shop.page("/api/v1/images/shop").text)["images"]
    newest, abandoned = (next(each for each in images if each["image"]["tag"] == tag) for tag in ("1.2.0", "1.1.0"))
    assert {run["overlay"] for run in newest["runs"]} >= {shop.names.dev, test, prod}
    assert [(each["overlay"], each["is_still"]) for each in abandoned["abandoned"]] == [(prod, True)]
    waits = json.loads(shop.page(f"/api/v1/images/shop/{newest['image']['digest']}").text)["environments"]
    assert waits[prod] == {
        "wanted": True, "settled": True, "rejected": False, "sync": "Synced", "health": "Healthy",
    }  # fmt: skip

    shop.page(f"/parity/{test}/{prod}")
    shop.controller.until("compared", pair=f"{test} {prod}")
    parity = json.loads(shop.page(f"/api/v1/parity/{test}/{prod}").text)
    assert (parity["state"], parity["counts"]["pending"]) == ("current", 0)
    for path in ("/promotions", "/images/shop", "/parity", f"/parity/{test}/{prod}"):
        assert shop.page(path).status == 200


def test_auto_rollback_of_a_promotion_that_turns_degraded(shop: World) -> None:
    """An edit of test's settings breaks its pods. It was promoted automatically, so it is rolled back automatically."""
    test = f"test{shop.names.number}"
    file = f"environments/{test}/kustomization.yaml"
    good = shop.person.read(file)
    shop.until_ready(test)
    shop.edit({file: good + BREAKS}, "test crashes")

    shop.until_status(test, lambda found: found.health is Health.DEGRADED, seconds=30)

    def said() -> list[str]:
        return git(shop.remote, "log", "-1", "--format=%B", "main").splitlines()

    eventually(lambda: said()[0].startswith(f"{test}: roll back {test} to "))
    assert any(line.startswith("Lockstep-Cause: degraded 0 min after the promotion ") for line in said())
    assert git(shop.remote, "show", f"main:{file}") == good.strip()
    assert "who: Lockstep\nwhy: 'rolled back by itself: degraded" in git(
        shop.remote, "show", f"main:environments/{test}/hold.yaml"
    )
    shop.until_ready(test)
    shop.page("/promotions")
    shop.controller.until("git history read", revision=git(shop.remote, "rev-parse", "main"))
    newest = json.loads(shop.page("/api/v1/promotions").text)["timeline"][0]
    assert (newest["deed"], newest["overlays"], newest["author"]) == ("rollback", [test], "Lockstep")
    assert newest["cause"].startswith("degraded 0 min after the promotion ")
    lockstep(shop, "resume", test)
    shop.until_status(test, lambda found: not found.waiting)


def test_release_written_by_hand_is_stalled_and_a_waiver_stays_visible(shop: World) -> None:
    """A person cannot skip an environment by editing files, but can with a waiver by name, which stays visible."""
    prod, test = shop.names.prod, f"test{shop.names.number}"
    file = f"environments/{prod}/release.yaml"
    good, before = shop.person.read(file), shop.console.read("Deployment", prod, "shop")
    hot = overlay(prod, resources="[../../base/shop]", shop="1.9.0")
    digest = f"sha256:{sha256(b'1.9.0').hexdigest()}"
    head = shop.person.push({f"environments/{prod}/kustomization.yaml": hot}, "a hotfix that nobody has proven")
    shop.edit({file: f"base: {head}\noverlay: {head}\nwaived: adoption\n"}, "prod by hand")
    stalled = shop.until_status(prod, lambda found: found.condition("Stalled").status)
    said = stalled.condition("Ready").message
    assert f"{test} has never proven this base" in said
    assert f"{test} has never proven shop 1.9.0 with this digest" in said
    assert shop.console.read("Deployment", prod, "shop")["spec"] == before["spec"]

    waived = f"waived:\n  {head}: orders are lost\n  {digest}: orders are lost\n"
    shop.edit({file: f"base: {head}\noverlay: {head}\n{waived}"}, "prod: let in by name")
    shop.until_image(prod, "shop", "1.9.0")
    ready = shop.until_status(prod, lambda found: bool(found.waived) and found.condition("Ready").status)
    assert ready.waived == (f"{head}: orders are lost", f"{digest}: orders are lost")
    shop.edit({file: good}, "back to what was proven")
    shop.until_image(prod, "shop", "1.2.0")
