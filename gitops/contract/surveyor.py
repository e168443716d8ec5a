"""An overlay's tree -> its survey against the reference: guard, render, parse, compare. Every step by content: what was
surveyed before, here or in an earlier run, is not surveyed again.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from gitops.core.config_repo import layout, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Release
from gitops.core.config_repo.tree import Source, Tree
from gitops.core.contract import release_evidence as evidence
from gitops.core.contract import violation_places as origins
from gitops.core.contract.survey import SurveyInput, survey
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.variations.rule_book import RuleBook, compile_rule_book
from gitops.core.contract.violation_places import FileOrigin
from gitops.core.contract.violations import Violation
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import guard
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import cluster_scoped, scope
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body
from gitops.core.parsing.json_records import JsonRecord
from gitops.core.revision import Revision
from gitops.ports import Cache
from gitops.render.builds import Builds

_FORMAT = "survey v3"
_MOST_REFERENCES = 16
_SURVEY: JsonRecord[Survey] = JsonRecord(Survey)


@dataclass(frozen=True, slots=True)
class Contract:
    """One pipeline.yaml and what was compiled from it; `id` is the id of its content."""

    id: str
    pipeline: Pipeline
    book: RuleBook


@dataclass(frozen=True, slots=True)
class OverlayAtTree:
    """An overlay at a tree. `base` is the commit of everything outside environments/; `release` says why it may run
    there; `adopted`: the commits of its very first release, None = nobody can tell, or asked.
    """

    overlay: Overlay
    tree: Tree
    base: str
    release: Release | None = None
    adopted: Revision | None = None


@dataclass(frozen=True, slots=True)
class ContractHead:
    """All overlays of one head that can be composed, and the contract that they are judged by."""

    contract: Contract
    situations: Mapping[str, OverlayAtTree]


@dataclass(frozen=True, slots=True)
class _Case:
    """One survey: what is compared with what, and the key of what was found out."""

    situation: OverlayAtTree
    reference: Closure
    key: str


class Surveyor:
    """Thread-safe."""

    def __init__(self, builds: Builds, memo: Cache) -> None:
        self._builds = builds
        self._repo = builds.repo
        self._renderer = builds.renderer
        self._memo = memo
        self._references: dict[str, Sequence[Body]] = {}
        self._lock = threading.Lock()

    def contract(self, tree: Tree) -> Contract:
        """What the tree's pipeline.yaml declares. Raises: Rejected(NoPipeline, InvalidPipeline, InvalidYaml)."""
        blob = tree.get(pipeline.FILE)
        if blob is None:
            raise Rejected("NoPipeline", f"there is no {pipeline.FILE}; `lockstep init` writes one")
        key = _key("schemas", blob.id)
        checked = self._memo.read(key) is not None
        declared = pipeline.parse(self._repo.read(blob.id), checked=checked)
        compiled = Contract(blob.id, declared, compile_rule_book(declared, checked=checked))
        if not checked:
            self._memo.write(key, b"")
        return compiled

    def closure(self, situation: OverlayAtTree) -> Closure:
        """Raises: Rejected with file and line."""
        return self._builds.closure(situation.tree, situation.overlay.path)

    def survey(self, situation: OverlayAtTree, contract: Contract) -> Survey:
        """Raises: Rejected when the overlay or the reference does not render or holds what it must not; Unavailable."""
        case = self._case(situation, contract)
        return self._recalled(case) or self._surveyed(case, contract)

    def recalled(self, situation: OverlayAtTree, contract: Contract) -> Survey | None:
        """What `survey` would answer, if that was found out before. Raises as survey does."""
        return self._recalled(self._case(situation, contract))

    def _case(self, situation: OverlayAtTree, contract: Contract) -> _Case:
        own = self.closure(situation)
        reference = self._reference(situation, reference_path(contract.pipeline, situation))
        key = _key(self._renderer.version, own.key, reference.key, contract.id, situation.overlay.name)
        return _Case(situation, reference, key)

    def manifests(self, situation: OverlayAtTree, declared: Pipeline) -> tuple[Manifest, ...]:
        """What the overlay renders, checked as before an apply. Raises as survey does."""
        text = self._builds.text(self.closure(situation))
        parsed = manifests.parse(text, situation.overlay, cluster_scoped.is_namespaced)
        scope.require(parsed, scope.of(situation.overlay, declared))
        return parsed

    def unproven(self, situation: OverlayAtTree, found: Survey, contract: Contract) -> tuple[Violation, ...]:
        """What of the release nobody has proven, as its release.yaml tells."""
        return evidence.find_unproven(
            situation.overlay, situation.release, found.images, contract.pipeline, situation.adopted
        )

    def located(
        self, situation: OverlayAtTree, contract: Contract, violations: Sequence[Violation]
    ) -> tuple[Violation, ...]:
        """The violations with the file that most probably sets what they complain about: one build more."""
        if not violations:
            return ()
        own = self.closure(situation)
        source = guard.source(own, self._repo.read)
        reference = self._reference(situation, reference_path(contract.pipeline, situation))
        found = self._origins(source)
        files = {path: self._repo.read(blob.id) for path, blob in own.files.items() if path not in reference.files}
        return tuple(origins.locate(each, found, files, situation.overlay.file) for each in violations)

    def _origins(self, source: Source) -> Mapping[tuple[str, str], FileOrigin]:
        """What cannot be rendered so has no known origin; the violations are what matters."""
        try:
            return origins.parse_origins(self._renderer.render(origins.with_origins(source)))
        except Rejected:
            return {}

    def _surveyed(self, case: _Case, contract: Contract) -> Survey:
        situation = case.situation
        overlay = situation.overlay
        subject = SurveyInput(
            name=overlay.name,
            environment=overlay.environment,
            bodies=[manifest.body for manifest in self.manifests(situation, contract.pipeline)],
            reference=case.reference.path,
            reference_bodies=self._reference_bodies(case.reference),
        )
        found = survey(subject, contract.book)
        self._memo.write(case.key, _SURVEY.dump_json(found))
        return replace(found, base=situation.base)

    def _recalled(self, case: _Case) -> Survey | None:
        stored = self._memo.read(case.key)
        try:
            return None if stored is None else replace(_SURVEY.validate_json(stored), base=case.situation.base)
        except ValidationError:
            return None

    def _reference(self, situation: OverlayAtTree, path: str) -> Closure:
        try:
            return self._builds.closure(situation.tree, path)
        except Rejected as error:
            message = f"the reference {path}/ cannot be read: {error}"
            raise Rejected("NoReference", message, place=Place(pipeline.FILE)) from error

    def _reference_bodies(self, reference: Closure) -> Sequence[Body]:
        known = self._references.get(reference.key)
        if known is None:
            place = Overlay(reference.path, reference.path, reference.path, "default")
            try:
                parsed = manifests.parse(self._builds.text(reference), place, cluster_scoped.is_namespaced)
                known = [manifest.body for manifest in parsed]
            except Rejected as error:
                if error.reason != "EmptyRender":
                    raise
                known = []
            self._remember(reference.key, known)
        return known

    def _remember(self, key: str, bodies: Sequence[Body]) -> None:
        """One reference serves many overlays, or there are many for one overlay each: a few are enough."""
        with self._lock:
            self._references[key] = bodies
            if len(self._references) > _MOST_REFERENCES:
                del self._references[next(iter(self._references))]


def reference_path(declared: Pipeline, situation: OverlayAtTree) -> str:
    """The directory that the overlay is compared with: that of its own name below the reference, if there is one
    (`prod/print-api` with `base/print-api`), else the reference itself.
    """
    _, slash, name = situation.overlay.name.partition("/")
    own = f"{declared.reference}/{name}"
    if slash and layout.kustomization(own, situation.tree):
        return own
    return declared.reference


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((_FORMAT, *parts)).encode()).hexdigest()
