"""`lockstep init`: a directory of kustomizations -> a config repo whose environments are within their variations today.

Nothing is written here: the result is the files that a config repo has more, judged as they would lie there.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from gitops.contract.checker import Checker, CheckReport
from gitops.contract.surveyor import Surveyor
from gitops.core.config_repo import layout
from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import FILE, Pipeline
from gitops.core.config_repo.services import RegistryPolicy
from gitops.core.contract.survey import SurveyInput
from gitops.core.contract.variations import rule_book as books
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import guard
from gitops.core.manifests import cluster_scoped, container_images
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body
from gitops.core.onboarding import discovery, pipeline_text, reference, relocation, services
from gitops.core.onboarding import environments as environments_of
from gitops.core.onboarding import foreign_names as doubts
from gitops.core.onboarding import observed_differences as findings
from gitops.core.onboarding import undecided as questions
from gitops.core.onboarding import variation_proposals as proposals
from gitops.core.onboarding.discovery import Discovered, Graph, OverlayRoot
from gitops.core.onboarding.environments import UNKNOWN, DeployedOverlay, EnvironmentOptions
from gitops.core.onboarding.foreign_names import MentionDoubt
from gitops.core.onboarding.reference import ReferenceDirectory
from gitops.core.onboarding.relocation import Relocation
from gitops.core.onboarding.services import ServiceProposal
from gitops.onboarding.planned_tree import PlannedTree
from gitops.ports import Cache, Renderer, Trees
from gitops.render.builds import Builds

_MOST_SUSPECTS = 20


@dataclass(frozen=True, slots=True)
class RefusedRoot:
    """A directory that was left out, and why."""

    root: OverlayRoot
    error: Rejected


@dataclass(frozen=True, slots=True)
class Onboarding:
    """`files`: path -> content of what a config repo has more; `copied`: those of them that are copies, and of what;
    `reads`: the files that it needs besides. `guards`: names of the variations that let differ what
    guards an environment. `report`: the verdict of `lockstep check`.
    """

    files: Mapping[str, bytes]
    reads: frozenset[str]
    copied: Mapping[str, str]
    declared: Pipeline
    roots: tuple[OverlayRoot, ...]
    proposal: ServiceProposal
    found: Discovered
    refusals: tuple[RefusedRoot, ...]
    differences: int
    guards: tuple[str, ...]
    doubts: tuple[MentionDoubt, ...]
    notes: tuple[str, ...]
    report: CheckReport

    @property
    def is_settled(self) -> bool:
        """False when a person must decide something before this config repo is right."""
        return self.report.passes(ahead=False) and not self.refusals


@dataclass(frozen=True, slots=True)
class _Moved:
    """An overlay with the files that it gets; `text` is what it renders, before and after."""

    relocation: Relocation
    text: bytes
    deployed: DeployedOverlay

    @property
    def root(self) -> OverlayRoot:
        return self.deployed.root


@dataclass(slots=True)
class _Draft:
    """What is known so far of the config repo to be."""

    moved: list[_Moved]
    files: dict[str, bytes]
    environments: dict[str, Environment]
    reference: ReferenceDirectory = field(default_factory=lambda: ReferenceDirectory("base"))


class Onboarder:
    """For one adoption of one tree."""

    def __init__(self, repo: Trees, renderer: Renderer, memo: Cache, head: str) -> None:
        self._repo = repo
        self._renderer = renderer
        self._memo = memo
        self._head = head
        self._refusals: list[RefusedRoot] = []
        self._notes: list[str] = []

    def adopt(self, wishes: EnvironmentOptions) -> Onboarding:
        """Raises: Rejected(Undecided) when a person must say something first, Rejected(NoEnvironments, NotFound) when
        there is nothing to adopt; Unavailable.
        """
        tree = self._repo.tree(self._head)
        known = discovery.graph(tree, self._repo.read)
        found = (
            discovery.chosen(known, wishes.environments)
            if wishes.environments
            else discovery.find(known, wishes.within)
        )
        draft = self._deployed(self._moved(found, known, wishes), wishes)
        self._compare(draft, wishes)
        proposal = _services(draft, known)
        declared = _declared(draft, proposal)
        subjects = self._subjects(draft, declared)
        book = books.of(declared)
        different = findings.findings(subjects, book)
        variations = proposals.proposed(
            different, findings.kinds_of(subjects, book), declared.order, book.vocabulary.neutral
        )
        declared = declared.model_copy(update={"variations": variations})
        doubtful, report = self._judge(draft, declared, proposal)
        return Onboarding(
            files=draft.files,
            reads=self._reads(draft, subjects),
            copied={new: old for each in draft.moved for new, old in each.relocation.old.items()},
            declared=declared,
            roots=tuple(each.root for each in draft.moved),
            proposal=proposal,
            found=found,
            refusals=tuple(self._refusals),
            differences=len(different),
            guards=proposals.guards(variations, different),
            doubts=doubtful,
            notes=tuple(self._notes),
            report=report,
        )

    # -- the overlays

    def _moved(self, found: Discovered, known: Graph, wishes: EnvironmentOptions) -> list[_Moved]:
        """Every overlay at its new place, proven to render the same there. What cannot be rendered is left out."""
        if not found.roots:
            raise questions.nothing(found, known, wishes.within)
        self._require_no_twins(found, known)
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda root: self._attempted(root, known), found.roots))
        for each in (each for each in results if isinstance(each, RefusedRoot)):
            if each.error.reason == "EmptyRender":
                self._notes.append(f"{each.root.path} renders nothing, and is left out")
            else:
                self._refusals.append(each)
        moved = [each for each in results if isinstance(each, _Moved)]
        if not moved:
            raise Rejected("NoEnvironments", f"no environment can be rendered{_told(self._refusals)}")
        return moved

    def _require_no_twins(self, found: Discovered, known: Graph) -> None:
        """Before hundreds are rendered: a few that may be the same thing twice."""
        for pair in islice(discovery.suspects(found.roots, known), _MOST_SUSPECTS):
            moved = [each for root in pair if isinstance(each := self._attempted(root, known), _Moved)]
            twins = next(environments_of.doubles([each.deployed for each in moved]), None)
            if twins is not None:
                raise questions.twins(*twins)

    def _attempted(self, root: OverlayRoot, known: Graph) -> _Moved | RefusedRoot:
        try:
            return self._relocated(root, known)
        except Rejected as error:
            return RefusedRoot(root, error)

    def _relocated(self, root: OverlayRoot, known: Graph) -> _Moved:
        tree = self._repo.tree(self._head)
        before = guard.closure(tree, self._repo.read, root.path, apart="")
        result = relocation.relocated(root, known, before.files, self._repo.read)
        text = self._renderer.render(guard.source(before, self._repo.read))
        if self._text(PlannedTree(self._repo, result.files), root.target) != text:
            message = "renders something else below environments/; it has to be moved by hand"
            raise Rejected("NotTheSame", message, place=Place(known[root.path].file))
        overlay = Overlay(root.overlay, root.environment, root.target, UNKNOWN)
        parsed = manifests.parse(text, overlay, cluster_scoped.is_namespaced)
        return _Moved(result, text, DeployedOverlay(root, known[root.path], parsed))

    def _deployed(self, moved: list[_Moved], wishes: EnvironmentOptions) -> _Draft:
        """Which environments there are, and what is known of each."""
        deployed = [each.deployed for each in moved]
        twins = next(environments_of.doubles(deployed), None)
        if twins is not None:
            raise questions.twins(*twins)
        environments = environments_of.declared(deployed, wishes)
        guessed = [each for each in deployed if each.root.environment not in wishes.namespaces]
        for each in environments_of.strangers(guessed, environments):
            home = environments[each.root.environment].namespace
            message = (
                f"deploys to another namespace than {home}, which is {each.root.environment}'s; adopt it by itself"
            )
            self._refusals.append(
                RefusedRoot(each.root, Rejected("OutOfScope", message, place=Place(each.directory.file)))
            )
        left_out = {each.root for each in self._refusals}
        kept = [each for each in moved if each.root not in left_out]
        files = {path: content for each in kept for path, content in each.relocation.files.items()}
        ranks = list(environments)
        kept.sort(key=lambda each: (ranks.index(each.root.environment), each.root.overlay))
        return _Draft(kept, files, environments)

    # -- the reference

    def _compare(self, draft: _Draft, wishes: EnvironmentOptions) -> None:
        """Chooses what the environments are compared with, and makes it where there is no such directory yet."""
        planned = PlannedTree(self._repo, draft.files)
        known = discovery.graph(planned.tree(self._head), planned.read)
        if wishes.base:
            if wishes.base not in known:
                raise Rejected("NotFound", f"there is no kustomization in {wishes.base}, which is to be the base")
            draft.reference = ReferenceDirectory(wishes.base)
            return
        parts = {service: self._shared(service, draft, known) for service in {it.root.service for it in draft.moved}}
        draft.reference = reference.made(dict(sorted(parts.items())), known)
        draft.files |= draft.reference.files

    def _shared(self, service: str, draft: _Draft, known: Graph) -> tuple[str, ...]:
        uses = [each.relocation.shared for each in draft.moved if each.root.service == service]
        parts = reference.shared(uses, known)
        place = reference.TRIAL
        trial = {f"{place}/kustomization.yaml": reference.text(place, parts, known)}
        try:
            self._text(PlannedTree(self._repo, draft.files | trial), place)
        except Rejected as error:
            what = f"what the environments{f' of {service}' if service else ''} share"
            self._notes.append(f"{what} does not render by itself, so they are compared with each other only: {error}")
            return ()
        return parts

    # -- the contract

    def _subjects(self, draft: _Draft, declared: Pipeline) -> list[SurveyInput]:
        planned = PlannedTree(self._repo, draft.files)
        tree = planned.tree(self._head)
        bodies: dict[str, Sequence[Body]] = {}
        found = []
        for each in draft.moved:
            root = each.root
            path = f"{declared.reference}/{root.service}"
            if not root.service or not layout.kustomization(path, tree):
                path = declared.reference
            if path not in bodies:
                bodies[path] = self._bodies(path, draft)
            place = Overlay(
                root.overlay, root.environment, root.target, declared.environments[root.environment].namespace
            )
            own = _bodies(manifests.parse(each.text, place, cluster_scoped.is_namespaced))
            found.append(SurveyInput(root.overlay, root.environment, own, path, bodies[path]))
        return found

    def _bodies(self, path: str, draft: _Draft) -> Sequence[Body]:
        text = self._text(PlannedTree(self._repo, draft.files), path)
        try:
            return _bodies(manifests.parse(text, Overlay(path, path, path, "default"), cluster_scoped.is_namespaced))
        except Rejected as error:
            if error.reason != "EmptyRender":
                raise
            return []

    def _judge(
        self, draft: _Draft, declared: Pipeline, proposal: ServiceProposal
    ) -> tuple[tuple[MentionDoubt, ...], CheckReport]:
        """The verdict of `lockstep check`, and pipeline.yaml with what it doubts."""
        draft.files[FILE] = pipeline_text.text(declared, proposal.loose, ())
        planned = PlannedTree(self._repo, draft.files)
        report = Checker(planned, Surveyor(Builds(planned, self._renderer), self._memo)).check(self._head)
        found = doubts.doubts({each.overlay.name: each.now.violations for each in report.checked})
        draft.files[FILE] = pipeline_text.text(declared, proposal.loose, found)
        return found, report

    def _reads(self, draft: _Draft, subjects: Sequence[SurveyInput]) -> frozenset[str]:
        planned = PlannedTree(self._repo, draft.files)
        tree = planned.tree(self._head)
        places = [*(each.root.target for each in draft.moved), *{each.reference for each in subjects}]
        reached = {path for place in places for path in guard.closure(tree, planned.read, place).files}
        return frozenset(reached - draft.files.keys())

    def _text(self, planned: PlannedTree, path: str) -> bytes:
        """What kustomize prints for a directory. Raises: Rejected, Unavailable."""
        builds = Builds(planned, self._renderer)
        return builds.text(builds.closure(planned.tree(self._head), path))


def _bodies(found: Sequence[Manifest]) -> list[Body]:
    return [each.body for each in found]


def _services(draft: _Draft, known: Graph) -> ServiceProposal:
    used: dict[str, list[Manifest]] = {name: [] for name in draft.environments}
    for each in draft.moved:
        used[each.root.environment] += each.deployed.manifests
    overridden = {image for each in draft.moved for image in known[each.root.path].images}
    return services.proposed([container_images.images(each) for each in used.values()], overridden)


def _declared(draft: _Draft, proposal: ServiceProposal) -> Pipeline:
    there = {each.root.environment for each in draft.moved}
    hosts = sorted({host for each in proposal.tracked.values() if (host := _host(each.image))})
    return Pipeline(
        reference=draft.reference.path,
        registries=tuple(RegistryPolicy(host=host) for host in hosts),
        services=dict(proposal.tracked),
        environments={name: each for name, each in draft.environments.items() if name in there},
    )


def _host(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _told(refusals: Sequence[RefusedRoot]) -> str:
    return "".join(f"\n  {each.root.path}: {each.error}" for each in refusals[:10])
