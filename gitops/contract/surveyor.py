"""An overlay's tree -> its survey against the reference: guard, render, parse, compare. Surveys are cached by content,
also between runs: no content is surveyed twice.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cachetools import LRUCache
from pydantic import ValidationError

from gitops.core.config_repo import layout, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Release
from gitops.core.config_repo.tree import Source, Tree
from gitops.core.contract import release_evidence, violation_places
from gitops.core.contract.survey import SurveyInput, survey
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.variations import rule_book
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.violation_places import FileOrigin
from gitops.core.contract.violations import Violation
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import guard
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import cluster_scoped
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body
from gitops.core.parsing.json_records import JsonRecord
from gitops.core.revision import Revision
from gitops.core.sync import rendering
from gitops.core.sync.rendering import RenderRules
from gitops.ports import Cache
from gitops.render.builds import Builds

_FORMAT = "survey v3"
_MOST_REFERENCES = 16
_SURVEY: JsonRecord[Survey] = JsonRecord(Survey)


@dataclass(frozen=True, slots=True)
class Contract:
    """One pipeline.yaml and the rules compiled from it; `id` is the id of its content."""

    id: str
    pipeline: Pipeline
    book: RuleBook


@dataclass(frozen=True, slots=True)
class OverlayAtTree:
    """An overlay at a tree. `base` is the commit of everything outside environments/; `release` holds the evidence why
    it may run there; `first_release`: the commits of its very first release, None = not known, or not asked.
    `closure`: the files that its build reads, where they are known already.
    """

    overlay: Overlay
    tree: Tree
    base: str
    release: Release | None = None
    first_release: Revision | None = None
    closure: Closure | None = None


@dataclass(frozen=True, slots=True)
class ContractHead:
    """All overlays of one head that can be composed, without the platform, and the contract that they are judged by."""

    contract: Contract
    overlays: Mapping[str, OverlayAtTree]


@dataclass(frozen=True, slots=True)
class _Case:
    """One survey: the overlay, the files of its build and of the reference's, and the key of the result."""

    subject: OverlayAtTree
    own: Closure
    reference: Closure
    key: str


class Surveyor:
    """Thread-safe."""

    def __init__(self, builds: Builds, memo: Cache) -> None:
        self._builds = builds
        self._repo = builds.repo
        self._renderer = builds.renderer
        self._memo = memo
        self._references: LRUCache[str, Sequence[Body]] = LRUCache(_MOST_REFERENCES)
        self._lock = threading.Lock()

    def contract(self, tree: Tree) -> Contract:
        """The contract in the tree's pipeline.yaml. Raises: Rejected(NoPipeline, InvalidPipeline, InvalidYaml)."""
        blob = tree.get(pipeline.FILE)
        if blob is None:
            raise Rejected("NoPipeline", f"there is no {pipeline.FILE}; `lockstep init` writes one")
        key = _key("schemas", blob.id)
        checked = self._memo.read(key) is not None
        declared = pipeline.parse(self._repo.read(blob.id), checked=checked)
        compiled = Contract(blob.id, declared, rule_book.compile_rule_book(declared, checked=checked))
        if not checked:
            self._memo.write(key, b"")
        return compiled

    def survey(self, subject: OverlayAtTree, contract: Contract) -> Survey:
        """Raises: Rejected when the overlay or the reference does not render or holds what it must not; Unavailable."""
        case = self._case(subject, contract)
        return self._recall(case) or self._survey(case, contract)

    def recall(self, subject: OverlayAtTree, contract: Contract) -> Survey | None:
        """The answer of `survey`, if this content was surveyed before. Raises as survey does."""
        return self._recall(self._case(subject, contract))

    def manifests(self, subject: OverlayAtTree, declared: Pipeline) -> tuple[Manifest, ...]:
        """The rendered manifests, checked as before an apply. Raises as survey does."""
        return self._manifests(subject, self._closure(subject), declared)

    def unproven(self, subject: OverlayAtTree, found: Survey, contract: Contract) -> tuple[Violation, ...]:
        """The parts of the release for which its release.yaml holds no evidence."""
        return release_evidence.find_unproven(
            subject.overlay, subject.release, found.images, contract.pipeline, subject.first_release
        )

    def locate(
        self, subject: OverlayAtTree, contract: Contract, violations: Sequence[Violation]
    ) -> tuple[Violation, ...]:
        """The violations with the file that most probably sets what they complain about. Costs one more build."""
        if not violations:
            return ()
        own = self._closure(subject)
        reference = self._reference(subject, reference_path(contract.pipeline, subject))
        found = self._origins(guard.source(own, self._repo.read))
        files = {path: self._repo.read(blob.id) for path, blob in own.files.items() if path not in reference.files}
        return tuple(violation_places.locate(each, found, files, subject.overlay.file) for each in violations)

    def _closure(self, subject: OverlayAtTree) -> Closure:
        return subject.closure or self._builds.closure(subject.tree, subject.overlay.path)

    def _case(self, subject: OverlayAtTree, contract: Contract) -> _Case:
        own = self._closure(subject)
        reference = self._reference(subject, reference_path(contract.pipeline, subject))
        key = _key(self._renderer.version, own.key, reference.key, contract.id, subject.overlay.name)
        return _Case(subject, own, reference, key)

    def _manifests(self, subject: OverlayAtTree, own: Closure, declared: Pipeline) -> tuple[Manifest, ...]:
        text, rules = self._builds.text(own), RenderRules(declared)
        return rendering.parse(text, subject.overlay, rules, cluster_scoped.is_namespaced)

    def _origins(self, source: Source) -> Mapping[tuple[str, str], FileOrigin]:
        """Empty when kustomize does not render the source so: violations then have no known file."""
        try:
            return violation_places.parse_origins(self._renderer.render(violation_places.with_origins(source)))
        except Rejected:
            return {}

    def _survey(self, case: _Case, contract: Contract) -> Survey:
        overlay = case.subject.overlay
        found = survey(
            SurveyInput(
                name=overlay.name,
                environment=overlay.environment,
                bodies=[each.body for each in self._manifests(case.subject, case.own, contract.pipeline)],
                reference=case.reference.path,
                reference_bodies=self._reference_bodies(case.reference),
            ),
            contract.book,
        )
        self._memo.write(case.key, _SURVEY.dump_json(found))
        return replace(found, base=case.subject.base)

    def _recall(self, case: _Case) -> Survey | None:
        stored = self._memo.read(case.key)
        try:
            return None if stored is None else replace(_SURVEY.validate_json(stored), base=case.subject.base)
        except ValidationError:
            return None

    def _reference(self, subject: OverlayAtTree, path: str) -> Closure:
        try:
            return self._builds.closure(subject.tree, path)
        except Rejected as error:
            message = f"the reference {path}/ cannot be read: {error}"
            raise Rejected("NoReference", message, place=Place(pipeline.FILE)) from error

    def _reference_bodies(self, reference: Closure) -> Sequence[Body]:
        with self._lock:
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
            with self._lock:  # a few are enough: one reference serves many overlays, or only one
                self._references[reference.key] = known
        return known


def reference_path(declared: Pipeline, subject: OverlayAtTree) -> str:
    """The directory that the overlay is compared with: that of its own name below the reference, if there is one
    (`prod/print-api` with `base/print-api`), else the reference itself.
    """
    _, slash, name = subject.overlay.name.partition("/")
    own = f"{declared.reference}/{name}"
    if slash and layout.kustomization(own, subject.tree):
        return own
    return declared.reference


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((_FORMAT, *parts)).encode()).hexdigest()
