"""A config repo with three environments, and all that the promoter needs except a cluster: real git, real kustomize, a
clock that the test moves, and passes whose results the test sets.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitops.adapters.git.config_repo import GitConfigRepo, GitOptions
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.checker import Checker
from gitops.contract.surveyor import Surveyor
from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.kustomize.image_edit import set_image
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.promotion.gates import SKIPPABLE
from gitops.core.promotion.proof import Proofs
from gitops.core.sync import summary
from gitops.core.sync.status import Account, Condition, ObjectStatus, Revisions, Sync, SyncStatus
from gitops.desired.desired_state import DesiredState
from gitops.desired.overlay_render import ScopeRules
from gitops.local.cluster import binaries
from gitops.promotion.pending import PublishedNotes
from gitops.promotion.promoter import Promoter, PromoterParties
from gitops.promotion.proof_recorder import ProofRecorder, ProofSources
from gitops.render.builds import Builds
from tests.worlds.clocks import WorldClock
from tests.worlds.git import Remote, git
from tests.worlds.ports import HashKey
from tests.worlds.registries import Asking

HOST = "registry.example"
SERVICES = ("order", "print")


def image(service: str, number: int) -> Image:
    return Image(f"{HOST}/{service}", f"1.{number}.0", f"sha256:{ord(service[0]):032x}{number:032x}")


SETTINGS = """variations:
- {name: settings, objects: [{kind: ConfigMap, name: settings}]}
- {name: extra, objects: [{kind: ConfigMap, name: extra}]}
- {name: levels, objects: [{kind: ConfigMap, name: settings}], field: /data/LEVEL}
"""


def pipeline(
    prod: str = "when: requested, soak: 0s", test: str = "when: proven, soak: 5m", variations: str = SETTINGS
) -> bytes:
    services = "".join(f'  {name}: {{image: {HOST}/{name}, tags: {{semver: ">=1"}}}}\n' for name in SERVICES)
    return f"""services:
{services}environments:
  dev: {{namespace: shop-dev, images: newest}}
  test: {{namespace: shop-test, after: dev, promote: {{{test}}}}}
  prod: {{namespace: shop-prod, after: test, promote: {{{prod}}}}}
{variations}""".encode()


def workload(service: str, note: str = "") -> bytes:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: {service}, annotations: {{note: "{note}"}}}}
spec: {{template: {{spec: {{containers: [{{name: app, image: {HOST}/{service}}}]}}}}}}
""".encode()


def overlay(environment: str, number: int = 1, *, level: str = "info") -> bytes:
    entries = "".join(
        f'- name: {found.name}\n  newTag: "{found.tag}"\n  digest: {found.digest}\n'
        for found in (image(service, number) for service in SERVICES)
    )
    return f"""namespace: shop-{environment}
resources: [../../base]
configMapGenerator:
- name: settings
  literals: [LEVEL={level}]
images:
{entries}""".encode()


BASE = {
    "base/kustomization.yaml": b"resources: [order, print]\n",
    **{f"base/{name}/kustomization.yaml": b"resources: [app.yaml]\n" for name in SERVICES},
    **{f"base/{name}/app.yaml": workload(name) for name in SERVICES},
}


class Kinds:
    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        return kind[1] != "Namespace"


class Shelf:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Proofs] = {}
        self.writes = 0

    def read_proofs(self, overlay: str) -> Proofs | None:
        return self.kept.get(overlay)

    def write_proofs(self, overlay: str, proofs: Proofs) -> None:
        self.kept[overlay] = proofs
        self.writes += 1


class PromotionWorld:
    """`observed` is False while the controller cannot observe the cluster. `stopped` holds services without a running
    pod. `meanwhile` is called between a decision and its push.
    """

    def __init__(
        self,
        directory: Path,
        declared: bytes,
        overlays: Mapping[str, bytes] | None = None,
        base: Mapping[str, bytes] | None = None,
    ) -> None:
        self.directory = directory
        self.now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - tags that git makes have its clock's date
        files = {"environments/pipeline.yaml": declared, **(base or BASE)}
        overlays = overlays or {name: overlay(name) for name in ("dev", "test", "prod")}
        files |= {f"environments/{name}/kustomization.yaml": text for name, text in overlays.items()}
        self.remote = Remote(directory / "remote.git", files)
        first = self.remote.head()
        release = f"base: {first}\noverlay: {first}\nwaived: adoption\n".encode()
        self.remote.write(
            {f"environments/{name}/release.yaml": release for name in overlays if not name.startswith("dev")}, "locked"
        )
        self.person = directory / "person"
        git(directory, "clone", "--quiet", self.remote.url, str(self.person))
        self.signers = directory / "signers"
        self.trace = directory / "trace"
        options = GitOptions(allowed_signers=self.signers, environment={"GIT_TRACE2_EVENT": str(self.trace)})
        self.repo = GitConfigRepo(self.remote.url, "main", directory / "controller", options)
        self.renderer = Kustomize(binaries.ensure("kustomize"), directory / "renders")
        self.asking = Asking(lambda: self.now)
        self.shelf = Shelf()
        self.accounts: dict[str, Account] = {}
        self.leads = True
        self.observed = True
        self.skippable = SKIPPABLE
        self.stopped: set[str] = set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.news: list[frozenset[str]] = []
        self.touched: list[frozenset[str]] = []
        self.repo.fetch()
        self.begin()

    def begin(self) -> None:
        """Start the promoter anew, as after a restart: its memory is empty."""
        cluster: Any = Kinds()
        self.desired = DesiredState(
            self.repo,
            Builds(self.repo, self.renderer),
            cluster,
            ScopeRules(ScopeCeilings(), HashKey()),
        )
        self.desired.refresh()
        clock = WorldClock(lambda: self.now)
        self.recorder = ProofRecorder(
            ProofSources(
                ledger=self.shelf, desired=self.desired, cluster=self, repo=self.repo, clock=clock, observation=self
            )
        )
        self.recorder.recall()
        self.notes = PublishedNotes()
        self.promoter = Promoter(
            PromoterParties(
                repo=self.repo,
                desired=self.desired,
                recorder=self.recorder,
                clock=clock,
                leadership=self,
                skippable=self.skippable,
                ledger=self,
                contract=self,
                registries=self.asking.registries,
                notes=self.notes,
                listener=self,
            )
        )

    # -- ports.Leadership, Observation, Ledger, ContractCheck, Cluster, PromotionListener

    def is_leader(self) -> bool:
        return self.leads

    def is_observing(self) -> bool:
        return self.observed

    def read(self, overlay: str) -> Account | None:
        return self.accounts.get(overlay)

    def forbidden(self, revision: str, changed: Collection[str]) -> Mapping[str, Sequence[str]]:
        self.meanwhile()
        memo = RenderCache(self.directory / "surveys")
        return Checker(self.repo, Surveyor(Builds(self.repo, self.renderer), memo)).forbidden(revision, changed)

    def running(self, namespace: str) -> Collection[Image]:
        own = [name for name, found in self.desired.overlays().items() if found.namespace == namespace]
        found = [each for name in own for each in self.desired.at_head(name).images.items()]
        return {each for service, each in found if service not in self.stopped}

    def on_promotion(self, head: str) -> None:
        pass

    def head_changed(self, overlays: frozenset[str]) -> None:
        self.touched.append(overlays)

    def notes_changed(self, overlays: frozenset[str]) -> None:
        self.news.append(overlays)

    # -- events

    def write(self, files: Mapping[str, bytes], message: str = "an edit") -> str:
        self.remote.write(dict(files), message)
        self.repo.fetch()
        self.desired.refresh()
        return self.remote.head()

    def push_image(self, service: str, number: int, environment: str = "dev") -> str:
        file = f"environments/{environment}/kustomization.yaml"
        return self.write(
            {file: set_image(self.remote.read(file), image(service, number), file)}, f"{service} {number}"
        )

    def edit_base(self, service: str, note: str) -> str:
        return self.write({f"base/{service}/app.yaml": workload(service, note)})

    def run(
        self, *, health: Mapping[str, Health] | None = None, environments: Collection[str] = ("dev", "test")
    ) -> None:
        """Make a pass over each overlay: everything is applied. `health` maps service -> health; others are Healthy."""
        for name, found in self.desired.overlays().items():
            if found.environment not in environments:
                continue
            wanted = self.desired.at_head(name)
            objects = tuple(
                ObjectStatus(key, Sync.SYNCED, (health or {}).get(key.name, Health.HEALTHY)) for key in wanted.keys
            )
            worst = max(each.health for each in objects)
            status = SyncStatus(
                name,
                found.environment,
                Sync.SYNCED,
                worst,
                self.now,
                revisions=Revisions(rendered=wanted.revision, applied=wanted.revision),
                conditions=(Condition("Ready", worst is Health.HEALTHY, str(worst), f"{name} is {worst}", self.now),),
                objects=objects,
            )
            self.recorder.observe_pass(wanted, status)
            self._report(status)

    def _report(self, status: SyncStatus) -> None:
        """Record the status as the status writer does: a history record if objects or conditions changed."""
        before, history = self.accounts.get(status.overlay, (None, ()))
        is_new = before is None or before.revisions != status.revisions
        line = summary.record(before, status, {"configured": 1} if is_new else {})
        self.accounts[status.overlay] = (status, (line, *history) if line else history)

    def pass_time(self, minutes: float) -> None:
        """Move the clock on, and let the proof recorder look every half minute, as the controller does."""
        for _ in range(int(minutes * 2)):
            self.now += timedelta(seconds=30)
            self.recorder.observe_again()

    def look(self) -> None:
        """Let the promoter look until nothing moves any more and every registry query is answered."""
        self.promoter.read_tags()
        while self.promoter.promote_all() == 0.0 or self.asking.work():
            self.run()

    def soak(self, minutes: float = 5) -> None:
        self.run()
        self.pass_time(minutes)
        self.look()

    # -- results

    def processes(self) -> list[str]:
        """List the git commands that the controller has started so far."""
        events = (json.loads(line) for line in self.trace.read_text().splitlines())
        return [event["name"] for event in events if event["event"] == "cmd_name" and event["sid"].count("/") == 0]

    def runs(self, environment: str) -> dict[str, str | None]:
        """Map service -> tag, from the desired state of the environment."""
        return {service: found.tag for service, found in self.desired.at_head(environment).images.items()}

    def note(self, environment: str, service: str) -> str:
        """Return the annotation `note` that base sets on the service, as the environment renders it."""
        bodies = {each.key.name: each.body for each in self.desired.at_head(environment).manifests}
        return str(bodies[service]["metadata"]["annotations"]["note"])

    def level(self, environment: str) -> str:
        found = (each for each in self.desired.at_head(environment).manifests if each.key.name.startswith("settings"))
        return str(next(found).body["data"]["LEVEL"])

    def waiting(self, environment: str) -> tuple[str, ...]:
        return self.notes.pending(environment).waiting

    def last(self) -> str:
        """Return the message of the trunk's last commit."""
        return git(self.remote.directory, "log", "-1", "--format=%B", "main")

    def subjects(self, count: int) -> list[str]:
        return self.remote.subjects()[:count]

    # -- a person

    def tag(self, name: str, message: str = "please", *, by: str = "", at: str = "main") -> str:
        key = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.directory / by}"] if by else []
        git(self.person, "fetch", "--quiet", "--force", "--tags", "origin", "main:refs/remotes/origin/main")
        commit = git(self.person, "rev-parse", f"origin/{at}" if at == "main" else at)
        git(self.person, *key, "tag", "-f", "-s" if by else "-a", "-m", message, name, commit)
        git(self.person, "push", "--quiet", "--force", "origin", f"refs/tags/{name}")
        return git(self.person, "rev-parse", f"refs/tags/{name}")


@contextmanager
def world(
    directory: Path,
    declared: bytes | None = None,
    overlays: Mapping[str, bytes] | None = None,
    base: Mapping[str, bytes] | None = None,
) -> Iterator[PromotionWorld]:
    """`overlays` maps name -> kustomization; by default each environment is one. `base` maps path -> text."""
    made = PromotionWorld(directory, declared or pipeline(), overlays, base)
    try:
        yield made
    finally:
        made.repo.close()
