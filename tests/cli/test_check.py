"""`lockstep check` where it runs: in a pre-receive hook of a real git server, in a shell, and for programs."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests import ROOT
from tests.worlds.git import Remote, git
from tests.worlds.judged_repo import DEPLOYMENT, files, overlay

DOCS = ROOT / "docs" / "contract.md"
PROD = "environments/prod/kustomization.yaml"
BROKEN = overlay("prod", more="labels: [{pairs: {tier: gold}}]\n")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of the hook: a PATH with lockstep and kustomize, and a home directory of its own."""
    home = tmp_path_factory.mktemp("home")
    tools = home / "bin"
    tools.mkdir()
    (tools / "kustomize").symlink_to(binaries.ensure("kustomize"))
    lockstep = tools / "lockstep"
    lockstep.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitops "$@"\n')
    lockstep.chmod(0o755)
    return {"PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A clone of a git server that has the files of `judged_repo`."""
    remote = Remote(tmp_path / "server.git", {path: text.encode() for path, text in files().items()})
    git(tmp_path, "clone", "--quiet", str(remote.directory), "work")
    return tmp_path / "work"


def run(environment: Mapping[str, str], directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def documented_hook() -> str:
    """Read the hook's script from docs/contract.md, as people copy it."""
    return "#!/bin/sh" + DOCS.read_text().partition("```sh\n#!/bin/sh")[2].partition("```")[0]


def pushed(environment: Mapping[str, str], work: Path, changed: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    for path, text in changed.items():
        (work / path).write_text(text)
    git(work, "commit", "--quiet", "--all", "--message", "a change")
    return run(environment, work, "git", "push", "--quiet", "origin", "main")


class TestPreReceiveHook:
    @pytest.fixture
    def guarded(self, work: Path) -> Path:
        hook = work.parent / "server.git/hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(documented_hook())
        hook.chmod(0o755)
        return work

    def test_hook_accepts_a_push_that_keeps_the_contract(self, guarded: Path, environment: dict[str, str]) -> None:
        base = {"base/order/deployment.yaml": DEPLOYMENT.replace("envoy:1.30", "envoy:1.31")}
        done = pushed(environment, guarded, base)
        assert done.returncode == 0, done.stderr
        assert git(guarded, "ls-remote", "origin", "main").split()[0] == git(guarded, "rev-parse", "HEAD")

    def test_hook_refuses_a_push_that_breaks_the_contract_and_says_why(
        self, guarded: Path, environment: dict[str, str]
    ) -> None:
        before = git(guarded, "ls-remote", "origin", "main")
        done = pushed(environment, guarded, {PROD: BROKEN})
        assert done.returncode != 0
        assert "/metadata/labels/tier" in done.stderr
        assert f"{PROD}:7" in done.stderr
        assert git(guarded, "ls-remote", "origin", "main") == before

    def test_hook_accepts_any_push_to_other_branches(self, guarded: Path, environment: dict[str, str]) -> None:
        git(guarded, "checkout", "--quiet", "-b", "idea")
        (guarded / PROD).write_text(BROKEN)
        git(guarded, "commit", "--quiet", "--all", "--message", "an idea")
        assert run(environment, guarded, "git", "push", "--quiet", "origin", "idea").returncode == 0


class TestCheckCommand:
    def test_check_exit_codes(self, work: Path, environment: dict[str, str]) -> None:
        assert run(environment, work, "lockstep", "check").returncode == 0
        (work / PROD).write_text(BROKEN)
        assert run(environment, work, "lockstep", "check").returncode == 1
        assert run(environment, work, "lockstep", "check", "--revision", "HEAD").returncode == 0
        (work / "environments/pipeline.yaml").write_text("environments: {}\n")
        failed = run(environment, work, "lockstep", "check")
        assert failed.returncode == 2
        assert "InvalidPipeline" in failed.stderr

    def test_check_reads_uncommitted_files(self, work: Path, environment: dict[str, str]) -> None:
        (work / PROD).write_text(overlay("prod").replace("[../../base]", "[../../base, extra.yaml]"))
        (work / "environments/prod/extra.yaml").write_text("{apiVersion: v1, kind: Service, metadata: {name: extra}}\n")
        done = run(environment, work, "lockstep", "check")
        assert done.returncode == 1
        assert "most probably set in environments/prod/extra.yaml" in done.stdout

    def test_check_prints_json(self, work: Path, environment: dict[str, str]) -> None:
        (work / PROD).write_text(BROKEN)
        done = run(environment, work, "lockstep", "check", "--format", "json")
        report = json.loads(done.stdout)
        assert report["passes"] is False
        [prod] = [each for each in report["overlays"] if each["name"] == "prod"]
        found = {(each["object"]["kind"], each["field"], each["file"]) for each in prod["now"]["violations"]}
        assert ("Deployment", "/metadata/labels/tier", PROD) in found

    def test_check_prints_github_annotations(self, work: Path, environment: dict[str, str]) -> None:
        first = git(work, "rev-parse", "HEAD")
        (work / "environments/test/release.yaml").write_text(f"base: {first}\noverlay: {first}\nwaived: adoption\n")
        (work / "environments/test/kustomization.yaml").write_text(BROKEN.replace("prod", "test"))
        (work / PROD).write_text(BROKEN)
        done = run(environment, work, "lockstep", "check", "--format", "github")
        assert done.returncode == 1
        *notes, count = done.stdout.splitlines()
        assert count.startswith("3 overlays, ")
        [prod, *_] = [note for note in notes if "Deployment" in note and note.startswith("::error")]
        assert prod.startswith(f"::error file={PROD},line=7::prod: Deployment.apps shop-prod/order")
        assert "%0Ano variation allows Deployment /metadata/labels/tier to differ" in prod
        waiting = [note for note in notes if note.startswith("::warning file=environments/test/kustomization.yaml")]
        assert waiting
        assert all("::test after the next promotions: " in note for note in waiting)

    def test_parity_exit_codes_and_json(self, work: Path, environment: dict[str, str]) -> None:
        assert run(environment, work, "lockstep", "parity", "dev", "prod").returncode == 0
        (work / PROD).write_text(BROKEN)
        done = run(environment, work, "lockstep", "parity", "dev", "prod", "--format", "json")
        assert done.returncode == 1
        [pair] = json.loads(done.stdout)
        assert {each["standing"] for each in pair["differences"]} == {"undeclared"}
        assert run(environment, work, "lockstep", "parity", "dev", "nowhere").returncode == 2
