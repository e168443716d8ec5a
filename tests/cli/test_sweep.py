"""`lockstep sweep` as people run it: a process of its own, a real git remote, and an imitation of Harbor's API."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.kustomize.image_edit import images
from gitops.local.cluster import binaries
from tests.worlds.git import Remote
from tests.worlds.harbor import PASSWORD, USER, Harbor, harbor
from tests.worlds.sweeps import OVERLAY, at, kustomization, pipeline_text

POLICIES = {"print-api": '{semver: ">=1.0 <2"}', "design": "{follow: latest}", "unused": "{follow: latest}"}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: none}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
"""
CONFIG = """
repo: {{url: {remote}}}
state: state
cluster: {{kubeconfig: kubeconfig}}
kustomize: {kustomize}
registries:
  {host}: {{kind: harbor, url: "{url}", username: {{env: ROBOT}}, password: {{file: robot-secret}}}}
"""


def deployment(host: str) -> bytes:
    containers = "".join(
        f"      - {{name: {name}, image: '{host}/tuling/{name}'}}\n" for name in POLICIES if name != "unused"
    )
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: all}}
spec:
  selector: {{matchLabels: {{app: all}}}}
  template:
    metadata: {{labels: {{app: all}}}}
    spec:
      containers:
{containers}""".encode()


class Place:
    def __init__(self, directory: Path, registry: Harbor) -> None:
        self.directory, self.registry = directory, registry
        host = registry.host
        self.remote = Remote(
            directory / "remote.git",
            {
                pipeline.FILE: pipeline_text(host, POLICIES),
                OVERLAY: kustomization(host, POLICIES),
                "base/kustomization.yaml": b"resources: [deployment.yaml]\n",
                "base/deployment.yaml": deployment(host),
            },
        )
        kustomize = binaries.ensure("kustomize")
        text = CONFIG.format(remote=self.remote.url, host=host, url=registry.url, kustomize=kustomize)
        (directory / "lockstep.yaml").write_text(text)
        (directory / "kubeconfig").write_text(KUBECONFIG)
        (directory / "robot-secret").write_text(PASSWORD + "\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitops", "sweep", *arguments],
            cwd=self.directory,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.directory), "ROBOT": USER},
            capture_output=True,
            text=True,
            check=False,
        )

    def deployed(self) -> dict[str, str | None]:
        found = images(self.remote.read(OVERLAY), OVERLAY)
        return {each.name.rpartition("/")[2]: each.tag for each in found if each.digest}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with harbor() as registry:
        yield Place(tmp_path, registry)


def test_sweep_prints_each_image_found_and_its_outcome(place: Place) -> None:
    newest = place.registry.push("tuling/print-api", "1.6.0", at(1))
    place.registry.push("tuling/unused", "latest", at(2))
    place.registry.push("tuling/design", "main", at(3))
    unused = place.registry.repositories["tuling/unused"][0].digest
    done = place.run()
    head = place.remote.head()
    written = f"dev: print-api 1.6.0 ({newest[7:19]}) is in the config repo, commit {head[:12]}"
    unasked = f"no container of overlay dev uses image {place.registry.host}/tuling/unused"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"print-api: 1.6.0 ({newest[7:19]}): {written}",
        "design: nothing: no tag that its policy follows",
        f"unused: latest ({unused[7:19]}): {unasked}",
    ]
    assert place.deployed() == {"print-api": "1.6.0"}
    again = place.run("print-api")
    assert again.stdout == f"print-api: 1.6.0 ({newest[7:19]}): in the config repo already\n"
    assert place.remote.head() == head


def test_sweep_says_why_it_failed_without_the_password(place: Place) -> None:
    place.registry.password = "another one"
    done = place.run()
    assert done.returncode == 2
    assert "Unauthorized" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    unknown = place.run("no-such-service")
    assert unknown.returncode == 2
    assert "pipeline.yaml has no service no-such-service; it has print-api, design, unused" in unknown.stderr
    (place.directory / "lockstep.yaml").write_text(
        (place.directory / "lockstep.yaml").read_text().replace(f"  {place.registry.host}:", "  other.example:")
    )
    absent = place.run("design")
    assert absent.returncode == 2
    assert f"lockstep.yaml has no registries.{place.registry.host}; say there how it is asked" in absent.stderr
    skipped = place.run()
    assert skipped.returncode == 0
    assert (
        skipped.stdout == f"{place.registry.host}: not swept: lockstep.yaml has no registries.{place.registry.host}\n"
    )


def test_sweep_skips_an_unknown_registry_and_sweeps_the_others(place: Place) -> None:
    text = pipeline_text(place.registry.host, POLICIES).decode()
    text = text.replace(f"'{place.registry.host}/tuling/unused'", "'other.example/tuling/unused'")
    place.remote.write({pipeline.FILE: text.encode()}, "another registry")
    place.registry.push("tuling/print-api", "1.6.0", at(1))
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert "other.example: not swept: lockstep.yaml has no registries.other.example" in done.stdout.splitlines()
    assert place.deployed() == {"print-api": "1.6.0"}


def test_sweep_prints_commits_made_before_the_registry_failed(place: Place) -> None:
    place.registry.push("tuling/print-api", "1.6.0", at(1))
    place.registry.push("tuling/design", "latest", at(2))
    place.registry.failing.add("/repositories/design/")
    done = place.run()
    assert done.returncode == 2
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("print-api: 1.6.0")
    assert "is in the config repo, commit" in first
    assert last.startswith(f"{place.registry.host}: RegistryFailed: ")
    assert place.deployed() == {"print-api": "1.6.0"}
