"""The sources and scans of images, as a running controller shows them."""

from gitops.local.announce import delivery
from tests.e2e.config_repo import REGISTRY, pipeline
from tests.e2e.harness import GIT_SECRET, World
from tests.worlds.kubernetes import eventually

SOURCE = "https://git.example/demo/shop"
SHA = "c0ffee" + "0" * 34


def announced(running: World, url: str) -> str:
    body, headers = delivery(f"{'0' * 40} {SHA} refs/heads/main", url, GIT_SECRET.encode())
    answer = running.post("git-host", body, headers)
    assert answer.status == 200
    return answer.text


def test_source_push_is_shown_and_an_unavailable_scan_blocks_the_promotion(running: World) -> None:
    declared = pipeline(running.names)
    declared = declared.replace("shop: {", f"shop: {{source: '{SOURCE}', ", 1)
    declared = declared.replace("promote: {when: requested}", "promote: {when: proven, soak: 1s, scan: {max: Low}}", 1)
    head = running.edit({"environments/pipeline.yaml": declared})
    eventually(lambda: head in running.page("/api/v1/status").text)

    assert "the push is to the source of shop; the page shows it" in announced(running, f"{SOURCE}.git")
    assert "another repository" in announced(running, f"{SOURCE}-evil")
    assert "c0ffee000000" in running.page("/images/shop").text
    assert f"{SOURCE}/commit/{SHA}" in running.page("/images/shop").text

    assert running.push_image("shop", "1.1.0").is_acked
    running.until_image(running.names.dev, "shop", "1.1.0")
    said = f"lockstep.yaml knows no registry {REGISTRY.partition('/')[0]}; add it under `registries` there"
    running.until_status(running.names.prod, lambda found: any(said in each for each in found.waiting))
    assert "1.1.0" not in running.kustomization(running.names.prod)
    assert not running.bugs()
