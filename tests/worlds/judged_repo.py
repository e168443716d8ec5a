"""A small config repo on disk, in git, with two services and three environments. The real workflows check it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.checker import Checker, CheckReport
from gitops.contract.parity import ParityComparer
from gitops.contract.surveyor import Surveyor
from gitops.core.contract.parity import EnvironmentPair
from gitops.core.contract.violations import Violation
from gitops.render.builds import Builds
from tests.worlds.git import git

DIGEST = {name: "sha256:" + letter * 64 for name, letter in (("old", "a"), ("new", "b"))}
PIPELINE = """\
services:
  order: {image: r.example/shop/order, tags: {semver: ">=1"}}
environments:
  dev: {namespace: shop-dev, images: newest}
  test: {namespace: shop-test, after: dev}
  prod: {namespace: shop-prod, after: test}
variations:
- {name: replicas, kinds: [Deployment], field: /spec/replicas, schema: {type: integer, minimum: 1}}
- {name: settings, objects: [{kind: ConfigMap, name: settings}], field: '/data/*', required: [DB], distinct: [DB]}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: order, labels: {app: order}}
spec:
  replicas: 1
  selector: {matchLabels: {app: order}}
  template:
    metadata: {labels: {app: order}}
    spec:
      containers:
      - name: app
        image: r.example/shop/order:unset
        envFrom: [{configMapRef: {name: settings}}]
      - {name: proxy, image: "envoy:1.30"}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: order}
spec: {selector: {app: order}, ports: [{port: 80}]}
"""


def overlay(environment: str, digest: str = "new", more: str = "") -> str:
    return f"""\
namespace: shop-{environment}
resources: [../../base]
images:
- {{name: r.example/shop/order, newTag: "1.4.2", digest: "{DIGEST[digest]}"}}
configMapGenerator:
- {{name: settings, behavior: merge, literals: [DB=db-of-{environment}]}}
{more}"""


def files() -> dict[str, str]:
    return {
        "environments/pipeline.yaml": PIPELINE,
        "base/kustomization.yaml": "resources: [order]\nconfigMapGenerator: [{name: settings, literals: [A=b]}]\n",
        "base/order/kustomization.yaml": "resources: [deployment.yaml, service.yaml]\n",
        "base/order/deployment.yaml": DEPLOYMENT,
        "base/order/service.yaml": SERVICE,
        **{f"environments/{name}/kustomization.yaml": overlay(name) for name in ("dev", "test", "prod")},
    }


@dataclass(frozen=True)
class JudgedRepo:
    root: Path
    kustomize: Kustomize
    memo: RenderCache

    def write(self, changed: dict[str, str]) -> None:
        for path, text in changed.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def append(self, path: str, text: str) -> None:
        (self.root / path).write_text((self.root / path).read_text() + text)

    def commit(self, message: str = "a change") -> str:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)
        return git(self.root, "rev-parse", "HEAD")

    def release(self, environment: str, base: str, settings: str = "") -> None:
        text = f"base: {base}\noverlay: {settings or base}\nwaived: adoption\n"
        self.write({f"environments/{environment}/release.yaml": text})

    def check(self, revision: str = "") -> CheckReport:
        with self._opened() as tree:
            surveyor = Surveyor(Builds(tree, self.kustomize), self.memo)
            return Checker(tree, surveyor, tree).check(tree.head(revision))

    def violations(self, environment: str) -> tuple[Violation, ...]:
        """List the violations of an overlay as it would run now. Fail if its render was refused."""
        [found] = [each.now for each in self.check().checked if each.overlay.name == environment]
        assert found.refusal is None, found.refusal
        return found.violations

    def said(self, environment: str) -> list[tuple[str, str, str]]:
        """List each violation as (reason, kind, field)."""
        return sorted((str(each.kind), each.key.kind, each.field) for each in self.violations(environment))

    def parity(self, a: str, b: str) -> EnvironmentPair:
        with self._opened() as tree:
            [pair] = ParityComparer(tree, self.kustomize, self.memo).parity(tree.head(), a, b)
            return pair

    @contextmanager
    def _opened(self) -> Iterator[WorkTree]:
        tree = WorkTree(self.root, {})
        try:
            yield tree
        finally:
            tree.close()


def made(root: Path, binary: Path) -> JudgedRepo:
    """Make the repo, with one commit."""
    repo = JudgedRepo(root / "repo", Kustomize(binary, root / "cache"), RenderCache(root / "surveys"))
    repo.root.mkdir()
    git(repo.root, "init", "--quiet", "--initial-branch=main")
    repo.write(files())
    repo.commit("the first")
    return repo
