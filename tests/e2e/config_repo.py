"""The config repo of these tests: a small tree of its own in a bare repository, and a person who pushes to it.

Three environments: `dev` is one overlay and takes new images, `split` has an overlay per service, `prod` comes after
dev and runs what release.yaml names. Their names have a number, so that several installations can share a cluster.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.worlds.git import git

REGISTRY = "registry.example"
ALIAS = "10.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class Names:
    """The environments; their namespaces have the same names."""

    number: int

    @property
    def dev(self) -> str:
        return f"dev{self.number}"

    @property
    def split(self) -> str:
        return f"split{self.number}"

    @property
    def prod(self) -> str:
        return f"prod{self.number}"

    @property
    def all(self) -> tuple[str, str, str]:
        return self.dev, self.split, self.prod


def pipeline(names: Names, *, budget: int = 10) -> str:
    return f"""trunk: main
registries:
- {{host: {REGISTRY}, aliases: ["{ALIAS}"]}}
services:
  shop: {{image: {REGISTRY}/demo/shop, tags: {{semver: ">=1"}}}}
  desk: {{image: {REGISTRY}/demo/desk, tags: {{semver: ">=1"}}}}
environments:
  {names.dev}: {{namespace: {names.dev}, images: newest, drift: heal, sync: {{prune: {{budget: {budget}}}}}}}
  {names.split}: {{namespace: {names.split}, images: newest, drift: report}}
  {names.prod}: {{namespace: {names.prod}, after: {names.dev}, promote: {{when: requested}}, drift: heal}}
variations:
- {{field: /**}}
- {{objects: [{{kind: '*', name: '*'}}]}}
"""


def deployment(service: str) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: {service}}}
spec:
  replicas: 1
  revisionHistoryLimit: 0
  selector: {{matchLabels: {{app: {service}}}}}
  template:
    metadata: {{labels: {{app: {service}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: {REGISTRY}/demo/{service}:unset
        envFrom: [{{configMapRef: {{name: settings}}}}]
        env: [{{name: COLOUR, value: blue}}]
"""


def service(name: str) -> str:
    return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"""


def base(name: str) -> dict[str, str]:
    return {
        f"base/{name}/deployment.yaml": deployment(name),
        f"base/{name}/service.yaml": service(name),
        f"base/{name}/kustomization.yaml": "resources: [deployment.yaml, service.yaml]\n",
    }


def settings(colour: str) -> str:
    """The generator part of an overlay: new content gives the ConfigMap a new name."""
    return f"configMapGenerator:\n- name: settings\n  literals: [COLOUR_OF_DAY={colour}]\n"


def recoloured(colour: str) -> Callable[[str], str]:
    """The edit of an overlay that changes only the content of its generator."""
    return lambda text: re.sub(r"COLOUR_OF_DAY=[^\]]*", f"COLOUR_OF_DAY={colour}", text)


def images(**tags: str) -> str:
    entries = [
        f'- name: {REGISTRY}/demo/{name}\n  newTag: "{tag}"\n  digest: sha256:{sha256(tag.encode()).hexdigest()}\n'
        for name, tag in tags.items()
    ]
    return "images:\n" + "".join(entries)


def config_map(name: str, **data: str) -> str:
    lines = "".join(f'  {key}: "{value}"\n' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines or '  {}'}"


def overlay(namespace: str, *, resources: str, colour: str = "blue", **tags: str) -> str:
    """`resources` is a YAML list. The images are last and separate, where the committer edits them."""
    return f"namespace: {namespace}\nresources: {resources}\n{settings(colour)}{images(**tags)}"


def extra(names: Names, **files: str) -> dict[str, str]:
    """The other objects of dev: ConfigMaps by their file's name, one of which always stays."""
    directory = f"environments/{names.dev}/extra"
    everything = {"anchor": config_map("anchor", holds="fast"), **files}
    listed = ", ".join(f"{name}.yaml" for name in everything)
    return {
        f"{directory}/kustomization.yaml": f"resources: [{listed}]\n",
        **{f"{directory}/{name}.yaml": text for name, text in everything.items()},
    }


def tree(names: Names) -> dict[str, str]:
    dev = f"environments/{names.dev}"
    split = f"environments/{names.split}"
    prod = f"environments/{names.prod}"
    return {
        **base("shop"),
        **base("desk"),
        "base/kustomization.yaml": "resources: [shop, desk]\n",
        "environments/pipeline.yaml": pipeline(names),
        f"{dev}/kustomization.yaml": overlay(names.dev, resources="[../../base/shop, extra]", shop="1.0.0"),
        **extra(names),
        f"{split}/desk/kustomization.yaml": overlay(names.split, resources="[../../../base/desk]", desk="1.0.0"),
        f"{split}/till/kustomization.yaml": f"namespace: {names.split}\nresources: [till.yaml]\n",
        f"{split}/till/till.yaml": config_map("till", drawer="closed"),
        f"{prod}/kustomization.yaml": overlay(names.prod, resources="[../../base/shop]", shop="1.0.0"),
    }


def create(directory: Path, names: Names) -> None:
    """Makes two commits, as `lockstep init` does: the tree, then release.yaml for environments with `after`."""
    directory.mkdir(parents=True)
    git(directory, "init", "--quiet", "--bare", "--initial-branch=main")
    git(directory, "config", "uploadpack.allowFilter", "true")
    person = Person(directory, directory.with_name("first-clone"))
    first = person.push(tree(names), "the tree")
    release = f"base: {first}\noverlay: {first}\nwaived: adoption\n"
    person.push({f"environments/{names.prod}/release.yaml": release}, "prod is locked to the tree it begins with")


Edit = str | Callable[[str], str] | None
"""A file's new text, a function from the old text to the new one, or None to remove the file."""


class Person:
    """A person with a clone who edits, commits and pushes, again after a lost race. Records every pushed commit."""

    def __init__(self, remote: Path, clone: Path) -> None:
        self.remote = remote
        self._clone = clone
        self._lock = threading.Lock()
        self.pushed: list[str] = []
        self.wrote: dict[str, Edit] = {}
        git(remote.parent, "clone", "--quiet", str(remote), str(clone))
        git(clone, "config", "gc.auto", "0")

    def read(self, path: str) -> str:
        return git(self.remote, "show", f"main:{path}") + "\n"

    def push(self, files: Mapping[str, Edit], message: str) -> str:
        """Returns the commit. After a lost race the edit is made again on the new head."""
        with self._lock:
            while True:
                commit = self._commit(files, message)
                try:
                    git(self._clone, "push", "--quiet", "origin", "HEAD:main")
                except AssertionError as refused:
                    if "fetch first" not in str(refused) and "failed to push" not in str(refused):
                        raise
                else:
                    self.pushed.append(commit)
                    self.wrote.update(files)
                    return commit

    def _commit(self, files: Mapping[str, Edit], message: str) -> str:
        git(self._clone, "fetch", "--quiet", "origin")
        if git(self._clone, "branch", "--remotes", "--list", "origin/main"):
            git(self._clone, "reset", "--quiet", "--hard", "origin/main")
        for path, edit in files.items():
            target = self._clone / path
            if edit is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(edit if isinstance(edit, str) else edit(target.read_text()))
        git(self._clone, "add", "--all")
        git(self._clone, "commit", "--quiet", "--allow-empty", "-m", message)
        return git(self._clone, "rev-parse", "HEAD")
