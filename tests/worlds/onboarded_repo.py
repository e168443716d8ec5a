"""Repos of kustomizations in common layouts, in git, onboarded by the real command."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.worlds.git import git

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: NAME}}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: app
        image: r.example/shop/NAME:unset
        env: [{name: LOG, value: info}]
"""


def deployment(name: str = "api") -> str:
    return DEPLOYMENT.replace("NAME", name)


def base(name: str = "api") -> dict[str, str]:
    """Return the files of a base directory."""
    return {"kustomization.yaml": "resources: [deployment.yaml]\n", "deployment.yaml": deployment(name)}


def overlay(environment: str, to_base: str = "../../base", more: str = "") -> dict[str, str]:
    return {"kustomization.yaml": f"# of {environment}\nnamespace: shop-{environment}\nresources:\n- {to_base}\n{more}"}


def at(directory: str, files: Mapping[str, str]) -> dict[str, str]:
    return {f"{directory}/{name}": text for name, text in files.items()}


REPLICAS = "replicas: [{name: api, count: 3}]\n"


@dataclass(frozen=True)
class Ran:
    code: int
    said: str


@dataclass(frozen=True)
class People:
    """A work tree, and a shell with lockstep and kustomize in it."""

    root: Path
    environment: Mapping[str, str]

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def commit(self, message: str = "a change") -> str:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)
        return git(self.root, "rev-parse", "HEAD")

    def lockstep(self, *arguments: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "gitops", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def files(self) -> dict[str, str]:
        """Map each file outside of .git -> its text."""
        found = sorted(path for path in self.root.rglob("*") if path.is_file() and ".git" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.read_text() for path in found}


def made(root: Path, kustomize: Path, files: Mapping[str, str]) -> People:
    """Make the repo, with one commit."""
    (root / "repo").mkdir()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(root), "LOCKSTEP_KUSTOMIZE": str(kustomize)}
    people = People(root / "repo", {**environment, "PYTHONPATH": str(ROOT)})
    git(people.root, "init", "--quiet", "--initial-branch=main")
    people.write(files)
    people.commit("what there was")
    return people
