"""`lockstep init`: makes a config repo from a directory of kustomizations, with variations that cover today's
differences.

Nothing is written to disk here: the result is the new files of the config repo, checked as `lockstep check` would.
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
from gitops.core.contract.variations.rule_book import compile_rule_book
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import guard
from gitops.core.manifests import cluster_scoped, container_images
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body
from gitops.core.onboarding import discovery, pipeline_text, reference, relocation, services, undecided
from gitops.core.onboarding import environments as environments_of
from gitops.core.onboarding.discovery import Discovered, Graph, OverlayRoot
from gitops.core.onboarding.environments import UNKNOWN_NAMESPACE, DeployedOverlay, EnvironmentOptions
from gitops.core.onboarding.foreign_names import ForeignNameFinding, find_foreign_names
from gitops.core.onboarding.observed_differences import find_differences, names_by_kind
from gitops.core.onboarding.reference import ReferenceDirectory
from gitops.core.onboarding.relocation import Relocation
from gitops.core.onboarding.services import ServiceProposal
from gitops.core.onboarding.variation_proposals import guarding_variations, propose_variations
from gitops.onboarding.planned_tree import PlannedTree
from gitops.ports import Cache, Renderer, Trees
from gitops.render.builds import Builds

_MOST_SUSPECTS = 20


@dataclass(frozen=True, slots=True)
class RefusedRoot:
    """A directory that was left out; `error` says why."""

    root: OverlayRoot
    error: Rejected


@dataclass(frozen=True, slots=True)
class Onboarding:
    """`files`: path -> content of the new files; `copied`: new path -> the path that it is a copy of; `reads`: existing
    files that the config repo also needs. `differences`: their number. `guards`: names of the variations that allow
    differences in fields that guard an environment. `report`: the verdict of `lockstep check`.
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
    foreign_names: tuple[ForeignNameFinding, ...]
    notes: tuple[str, ...]
    report: CheckReport

    @property
    def is_settled(self) -> bool:
        """False if a person must decide something before the environments can be deployed."""
        return self.report.passes(ahead=False) and not self.refusals


@dataclass(frozen=True, slots=True)
class _OverlayRelocation:
    """An overlay with its new files; `text`: its render, which is the same at the old and the new place."""

    relocation: Relocation
    text: bytes
    deployed: DeployedOverlay

    @property
    def root(self) -> OverlayRoot:
        return self.deployed.root


@dataclass(slots=True)
class _PlannedRepo:
    """The config repo as far as it is planned."""

    overlays: list[_OverlayRelocation]
    files: dict[str, bytes]
    environments: dict[str, Environment]
    reference: ReferenceDirectory = field(default_factory=lambda: ReferenceDirectory("base"))


class Onboarder:
    """Onboards one tree once."""

    def __init__(self, repo: Trees, renderer: Renderer, cache: Cache, head: str) -> None:
        self._repo = repo
        self._renderer = renderer
        self._cache = cache
        self._head = head
        self._refusals: list[RefusedRoot] = []
        self._notes: list[str] = []

    def onboard(self, options: EnvironmentOptions) -> Onboarding:
        """The config repo. Raises: Rejected(Undecided) if a person must decide something first;
        Rejected(NoEnvironments, NotFound) if there is nothing to onboard; Unavailable.
        """
        tree = self._repo.tree(self._head)
        known = discovery.build_graph(tree, self._repo.read)
        found = (
            discovery.take_environments(known, options.environments)
            if options.environments
            else discovery.find_environments(known, options.within)
        )
        plan = self._plan(self._relocate_all(found, known, options), options)
        self._choose_reference(plan, options)
        proposal = _propose_services(plan, known)
        declared = _declare(plan, proposal)
        subjects = self._survey_inputs(plan, declared)
        book = compile_rule_book(declared)
        different = find_differences(subjects, book)
        variations = propose_variations(
            different, names_by_kind(subjects, book), declared.order, book.environment_names.neutralize
        )
        declared = declared.model_copy(update={"variations": variations})
        foreign_names, report = self._check(plan, declared, proposal)
        return Onboarding(
            files=plan.files,
            reads=self._other_files(plan, subjects),
            copied={new: old for each in plan.overlays for new, old in each.relocation.old.items()},
            declared=declared,
            roots=tuple(each.root for each in plan.overlays),
            proposal=proposal,
            found=found,
            refusals=tuple(self._refusals),
            differences=len(different),
            guards=guarding_variations(variations, different),
            foreign_names=foreign_names,
            notes=tuple(self._notes),
            report=report,
        )

    # -- the overlays

    def _relocate_all(self, found: Discovered, known: Graph, options: EnvironmentOptions) -> list[_OverlayRelocation]:
        """Every overlay at its new place, where it renders the same. One that does not render is left out."""
        if not found.roots:
            raise undecided.refuse_no_environments(found, known, options.within)
        self._require_no_twins(found, known)
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda root: self._try_to_relocate(root, known), found.roots))
        for each in (each for each in results if isinstance(each, RefusedRoot)):
            if each.error.reason == "EmptyRender":
                self._notes.append(f"{each.root.path} renders no objects and is left out")
            else:
                self._refusals.append(each)
        moved = [each for each in results if isinstance(each, _OverlayRelocation)]
        if not moved:
            raise Rejected("NoEnvironments", f"no environment can be rendered{_list_refusals(self._refusals)}")
        return moved

    def _require_no_twins(self, found: Discovered, known: Graph) -> None:
        """Renders a few pairs of suspected twins first, before hundreds of directories are rendered in vain."""
        for pair in islice(discovery.find_suspected_twins(found.roots, known), _MOST_SUSPECTS):
            moved = [
                each for root in pair if isinstance(each := self._try_to_relocate(root, known), _OverlayRelocation)
            ]
            twins = next(environments_of.find_twins([each.deployed for each in moved]), None)
            if twins is not None:
                raise undecided.refuse_twins(*twins)

    def _try_to_relocate(self, root: OverlayRoot, known: Graph) -> _OverlayRelocation | RefusedRoot:
        try:
            return self._relocate(root, known)
        except Rejected as error:
            return RefusedRoot(root, error)

    def _relocate(self, root: OverlayRoot, known: Graph) -> _OverlayRelocation:
        tree = self._repo.tree(self._head)
        before = guard.closure(tree, self._repo.read, root.path, isolated="")
        result = relocation.relocate(root, known, before.files, self._repo.read)
        text = self._renderer.render(guard.source(before, self._repo.read))
        if self._render(PlannedTree(self._repo, result.files), root.target) != text:
            message = "the copy below environments/ renders differently: move this directory by hand"
            raise Rejected("NotTheSame", message, place=Place(known[root.path].file))
        overlay = Overlay(root.overlay, root.environment, root.target, UNKNOWN_NAMESPACE)
        parsed = manifests.parse(text, overlay, cluster_scoped.is_namespaced)
        return _OverlayRelocation(result, text, DeployedOverlay(root, known[root.path], parsed))

    def _plan(self, moved: list[_OverlayRelocation], options: EnvironmentOptions) -> _PlannedRepo:
        """The environments, and the overlays of each."""
        deployed = [each.deployed for each in moved]
        twins = next(environments_of.find_twins(deployed), None)
        if twins is not None:
            raise undecided.refuse_twins(*twins)
        environments = environments_of.declare(deployed, options)
        guessed = [each for each in deployed if each.root.environment not in options.namespaces]
        for each in environments_of.find_foreign_services(guessed, environments):
            home = environments[each.root.environment].namespace
            message = (
                f"no object is in {home}, the namespace of {each.root.environment}: run `lockstep init` for this "
                "directory by itself"
            )
            self._refusals.append(
                RefusedRoot(each.root, Rejected("OutOfScope", message, place=Place(each.directory.file)))
            )
        left_out = {each.root for each in self._refusals}
        kept = [each for each in moved if each.root not in left_out]
        files = {path: content for each in kept for path, content in each.relocation.files.items()}
        ranks = list(environments)
        kept.sort(key=lambda each: (ranks.index(each.root.environment), each.root.overlay))
        return _PlannedRepo(kept, files, environments)

    # -- the reference

    def _choose_reference(self, plan: _PlannedRepo, options: EnvironmentOptions) -> None:
        """Chooses the directory that the environments are compared with, and plans its files if it does not exist."""
        trees = PlannedTree(self._repo, plan.files)
        known = discovery.build_graph(trees.tree(self._head), trees.read)
        if options.base:
            if options.base not in known:
                raise Rejected("NotFound", f"there is no kustomization in {options.base}, which --base names")
            plan.reference = ReferenceDirectory(options.base)
            return
        found = {each.root.service for each in plan.overlays}
        parts = {service: self._find_shared(service, plan, known) for service in found}
        plan.reference = reference.build_reference(dict(sorted(parts.items())), known)
        plan.files |= plan.reference.files

    def _find_shared(self, service: str, plan: _PlannedRepo, known: Graph) -> tuple[str, ...]:
        uses = [each.relocation.shared for each in plan.overlays if each.root.service == service]
        parts = reference.find_shared(uses, known)
        place = reference.TRIAL
        trial = {f"{place}/kustomization.yaml": reference.kustomization_text(place, parts, known)}
        try:
            self._render(PlannedTree(self._repo, plan.files | trial), place)
        except Rejected as error:
            what = f"the directories that the environments{f' of {service}' if service else ''} share"
            self._notes.append(
                f"{what} do not render alone, so environments are compared with each other only: {error}"
            )
            return ()
        return parts

    # -- the contract

    def _survey_inputs(self, plan: _PlannedRepo, declared: Pipeline) -> list[SurveyInput]:
        trees = PlannedTree(self._repo, plan.files)
        tree = trees.tree(self._head)
        bodies: dict[str, Sequence[Body]] = {}
        found = []
        for each in plan.overlays:
            root = each.root
            path = f"{declared.reference}/{root.service}"
            if not root.service or not layout.kustomization(path, tree):
                path = declared.reference
            if path not in bodies:
                bodies[path] = self._reference_bodies(path, plan)
            place = Overlay(
                root.overlay, root.environment, root.target, declared.environments[root.environment].namespace
            )
            own = _bodies(manifests.parse(each.text, place, cluster_scoped.is_namespaced))
            found.append(SurveyInput(root.overlay, root.environment, own, path, bodies[path]))
        return found

    def _reference_bodies(self, path: str, plan: _PlannedRepo) -> Sequence[Body]:
        text = self._render(PlannedTree(self._repo, plan.files), path)
        try:
            return _bodies(manifests.parse(text, Overlay(path, path, path, "default"), cluster_scoped.is_namespaced))
        except Rejected as error:
            if error.reason != "EmptyRender":
                raise
            return []

    def _check(
        self, plan: _PlannedRepo, declared: Pipeline, proposal: ServiceProposal
    ) -> tuple[tuple[ForeignNameFinding, ...], CheckReport]:
        """Adds pipeline.yaml to the plan, checks the plan, and adds the foreign names found to pipeline.yaml."""
        plan.files[FILE] = pipeline_text.format_pipeline(declared, proposal.loose, ())
        trees = PlannedTree(self._repo, plan.files)
        report = Checker(trees, Surveyor(Builds(trees, self._renderer), self._cache)).check(self._head)
        found = find_foreign_names({each.overlay.name: each.now.violations for each in report.checked})
        plan.files[FILE] = pipeline_text.format_pipeline(declared, proposal.loose, found)
        return found, report

    def _other_files(self, plan: _PlannedRepo, subjects: Sequence[SurveyInput]) -> frozenset[str]:
        trees = PlannedTree(self._repo, plan.files)
        tree = trees.tree(self._head)
        places = [*(each.root.target for each in plan.overlays), *{each.reference for each in subjects}]
        reached = {path for place in places for path in guard.closure(tree, trees.read, place).files}
        return frozenset(reached - plan.files.keys())

    def _render(self, trees: PlannedTree, path: str) -> bytes:
        """The output of kustomize for a directory. Raises: Rejected, Unavailable."""
        builds = Builds(trees, self._renderer)
        return builds.text(builds.closure(trees.tree(self._head), path))


def _bodies(found: Sequence[Manifest]) -> list[Body]:
    return [each.body for each in found]


def _propose_services(plan: _PlannedRepo, known: Graph) -> ServiceProposal:
    used: dict[str, list[Manifest]] = {name: [] for name in plan.environments}
    for each in plan.overlays:
        used[each.root.environment] += each.deployed.manifests
    overridden = {image for each in plan.overlays for image in known[each.root.path].images}
    return services.propose_services([container_images.images(each) for each in used.values()], overridden)


def _declare(plan: _PlannedRepo, proposal: ServiceProposal) -> Pipeline:
    there = {each.root.environment for each in plan.overlays}
    hosts = sorted({host for each in proposal.tracked.values() if (host := _host(each.image))})
    return Pipeline(
        reference=plan.reference.path,
        registries=tuple(RegistryPolicy(host=host) for host in hosts),
        services=dict(proposal.tracked),
        environments={name: each for name, each in plan.environments.items() if name in there},
    )


def _host(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _list_refusals(refusals: Sequence[RefusedRoot]) -> str:
    return "".join(f"\n  {each.root.path}: {each.error}" for each in refusals[:10])
