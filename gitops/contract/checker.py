"""`lockstep check`: whether a controller would let in every environment of a tree. Offline, by the controller's rules.

Each overlay is judged twice: as it would run now (its locked base and settings), and as it would run after the next
promotions (its settings over the base, both from the tree).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gitops.contract.surveyor import Contract, OverlayAtTree, Surveyor
from gitops.core.config_repo import compose, layout
from gitops.core.config_repo.compose import ComposedTree
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import RELEASE_FILE, Release
from gitops.core.contract import release_evidence
from gitops.core.contract.cross_environment import check_all
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.violations import Violation
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from gitops.ports import ReleaseOrigins, Trees

_CANNOT_JUDGE = frozenset({"MissingObject", "UnknownRevision"})


@dataclass(frozen=True, slots=True)
class OverlayVerdict:
    """The verdict on one overlay at one pair of commits. `refusal`: why it could not be judged at all."""

    revision: Revision
    violations: tuple[Violation, ...] = ()
    refusal: Rejected | None = None
    declared: int = 0
    free: int = 0

    @property
    def forbids(self) -> bool:
        return self.refusal is not None or any(violation.forbids for violation in self.violations)


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """The verdicts on one overlay. `ahead`: after the next promotions, where these change it; `note`: a remark."""

    overlay: Overlay
    now: OverlayVerdict
    ahead: OverlayVerdict | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The verdicts on a tree. `misfits`: directories below environments/ that are no overlay."""

    checked: tuple[CheckedPair, ...]
    misfits: tuple[Rejected, ...] = ()

    def passes(self, *, ahead: bool) -> bool:
        """False when something is forbidden now, or, with `ahead`, after the next promotions."""
        verdicts = [each.now for each in self.checked] + [each.ahead for each in self.checked if each.ahead and ahead]
        return not any(verdict.forbids for verdict in verdicts)

    def forbidden(self) -> dict[str, tuple[str, ...]]:
        """Overlay -> why it would not be let in, in sentences; overlays that would be are left out."""
        found = {}
        for each in self.checked:
            refusal = (str(each.now.refusal),) if each.now.refusal else ()
            found[each.overlay.name] = refusal + tuple(str(it) for it in each.now.violations if it.forbids)
        return {name: sentences for name, sentences in found.items() if sentences}


@dataclass(frozen=True, slots=True)
class _Plan:
    """An overlay with the trees at which it is judged."""

    overlay: Overlay
    now: OverlayAtTree | Rejected
    revision: Revision
    ahead: OverlayAtTree | None = None
    note: str = ""


class Checker:
    """Thread-safe. Without a `past` every release with `waived: adoption` counts as the first, and every commit as one
    of the trunk.
    """

    def __init__(self, repo: Trees, surveyor: Surveyor, past: ReleaseOrigins | None = None) -> None:
        self._repo = repo
        self._surveyor = surveyor
        self._past = past

    def check(self, head: str, changed: Collection[str] | None = None) -> CheckReport:
        """The verdict on every overlay at a commit. `changed`: the overlays that are new there; they are charged with
        violations that two overlays make together. The other overlays then count as far as they can be read, and the
        next promotions are left out. None = not known, so that all are judged.

        Raises: Rejected when nothing can be judged: pipeline.yaml is not valid, or the clone lacks a commit.
        """
        tree = self._repo.tree(head)
        contract = self._surveyor.contract(tree)
        overlays = layout.overlays(contract.pipeline, tree)
        plans = [self._plan(overlay, head, changed) for overlay in overlays]
        with ThreadPoolExecutor() as pool:
            now = self._judge(contract, {plan.overlay.name: plan.now for plan in plans}, pool, changed)
            ahead = self._judge(contract, _after_promotions(plans), pool, None) if changed is None else {}
        off_trunk = self._find_off_trunk(plans, head)
        checked = tuple(
            CheckedPair(
                plan.overlay,
                _at_commits(now[plan.overlay.name], plan, off_trunk),
                replace(ahead[plan.overlay.name], revision=Revision(head, head))
                if plan.overlay.name in ahead
                else None,
                plan.note,
            )
            for plan in plans
        )
        return CheckReport(checked, layout.problems(contract.pipeline, tree))

    def forbidden(self, revision: str, changed: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Implements ports.ContractCheck. Raises as `check` does."""
        return self.check(revision, changed).forbidden()

    def _plan(self, overlay: Overlay, head: str, changed: Collection[str] | None) -> _Plan:
        at_head = self._repo.tree(head)
        newest = OverlayAtTree(overlay, ComposedTree(overlay.path, at_head, at_head), head)
        try:
            composition = compose.compose(overlay, head, self._repo.tree, self._repo.read)
        except Rejected as error:
            if error.reason in _CANNOT_JUDGE and _is_asked(overlay, changed):
                raise
            if error.reason != "NotReleased":
                return _Plan(overlay, error, Revision(head, head))
            note = "not released yet: judged as it would be with a release.yaml for this tree"
            return _Plan(overlay, newest, Revision(head, head), note=note)
        release, base = composition.release, composition.revision.base
        now = OverlayAtTree(overlay, composition.tree, base, release, self._first_release(overlay, release, head))
        locked = release is not None
        return _Plan(overlay, now, composition.revision, newest if locked else None)

    def _find_off_trunk(self, plans: Sequence[_Plan], head: str) -> Mapping[str, bool]:
        named = {commit for plan in plans if plan.ahead for commit in (plan.revision.base, plan.revision.overlay)}
        return self._past.off_trunk(head, named) if self._past is not None else {}

    def _first_release(self, overlay: Overlay, release: Release | None, head: str) -> Revision | None:
        if release is None or not release.waives_all:
            return None
        file = f"{overlay.path}/{RELEASE_FILE}"
        known = self._past.first_releases(head) if self._past is not None else {}
        if file not in known:  # never committed
            return release.revision
        return compose.first_release(overlay, known[file], self._repo.tree, self._repo.read)

    def _judge(
        self,
        contract: Contract,
        subjects: Mapping[str, OverlayAtTree | Rejected],
        pool: ThreadPoolExecutor,
        changed: Collection[str] | None,
    ) -> dict[str, OverlayVerdict]:
        """Overlay -> its verdict, without its revision."""

        def recall(name: str) -> Survey | Rejected | None:
            return _attempt(subjects[name], changed, lambda known: self._recall(known, contract))

        def survey(name: str) -> Survey | Rejected | None:
            return _attempt(subjects[name], changed, lambda known: self._survey(known, contract))

        # A cached survey needs no process, and threads would only slow each other down: so they start with the first
        # overlay that is not cached. The platform is never surveyed.
        found: dict[str, Survey | Rejected | None] = {}
        for name in subjects:
            known = recall(name)
            if known is None and not _is_platform(subjects[name]):
                break
            if known is not None:
                found[name] = known
        unknown = [name for name in subjects if name not in found]
        found |= zip(unknown, pool.map(survey, unknown), strict=True)
        surveys = [each for each in found.values() if isinstance(each, Survey)]
        beside = check_all(surveys, contract.book, changed)
        return {name: self._verdict(each, subjects[name], contract, beside) for name, each in found.items()}

    def _recall(self, subject: OverlayAtTree, contract: Contract) -> Survey | None:
        return None if _is_platform(subject) else self._surveyor.recall(subject, contract)

    def _survey(self, subject: OverlayAtTree, contract: Contract) -> Survey | None:
        """Surveys the overlay; None for the platform, which is compared with nothing."""
        if _is_platform(subject):
            self._surveyor.manifests(subject, contract.pipeline)
            return None
        return self._surveyor.survey(subject, contract)

    def _verdict(
        self,
        found: Survey | Rejected | None,
        subject: OverlayAtTree | Rejected,
        contract: Contract,
        beside: Mapping[str, Sequence[Violation]],
    ) -> OverlayVerdict:
        nowhere = Revision("", "")
        if isinstance(found, Rejected):
            return OverlayVerdict(nowhere, refusal=found)
        if found is None or isinstance(subject, Rejected):
            return OverlayVerdict(nowhere)
        violations = [*found.violations, *beside[found.name]]
        located = self._surveyor.locate(subject, contract, violations)
        unproven = self._surveyor.unproven(subject, found, contract)
        return OverlayVerdict(nowhere, (*unproven, *located), declared=found.declared, free=found.free)


def _attempt(
    subject: OverlayAtTree | Rejected,
    changed: Collection[str] | None,
    survey: Callable[[OverlayAtTree], Survey | None],
) -> Survey | Rejected | None:
    """Returns the survey, or the refusal in its place; None for the platform."""
    if isinstance(subject, Rejected):
        return subject
    try:
        return survey(subject)
    except Rejected as error:
        if error.reason in _CANNOT_JUDGE and _is_asked(subject.overlay, changed):
            raise
        return error


def _is_platform(subject: OverlayAtTree | Rejected) -> bool:
    return isinstance(subject, OverlayAtTree) and subject.overlay.is_platform


def _is_asked(overlay: Overlay, changed: Collection[str] | None) -> bool:
    """True if this overlay must be surveyed."""
    return changed is None or overlay.name in changed


def _at_commits(verdict: OverlayVerdict, plan: _Plan, off_trunk: Mapping[str, bool]) -> OverlayVerdict:
    """The verdict with the commits that it is for, and with the violations of these."""
    found = release_evidence.find_off_trunk(plan.overlay, plan.revision, off_trunk) if plan.ahead else ()
    return replace(verdict, revision=plan.revision, violations=(*found, *verdict.violations))


def _after_promotions(plans: Sequence[_Plan]) -> dict[str, OverlayAtTree | Rejected]:
    """Every overlay as it is in the tree, since environments are judged side by side; empty when no overlay waits."""
    if not any(plan.ahead for plan in plans):
        return {}
    return {plan.overlay.name: plan.ahead or plan.now for plan in plans if not plan.overlay.is_platform}
