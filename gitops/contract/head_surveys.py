"""The surveys of all overlays of a head, each made once, and the violations that one overlay is charged with."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from gitops.contract.surveyor import Contract, ContractHead, OverlayAtTree, Surveyor
from gitops.core.contract.cross_environment import check_one
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.violations import Violation
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.ports import Cache
from gitops.render.builds import Builds


@dataclass(frozen=True, slots=True)
class _Known:
    """A survey that is being made or was made, and what it was made from."""

    subject: OverlayAtTree
    contract: str
    survey: "Future[Survey]"

    def is_of(self, subject: OverlayAtTree, contract: Contract) -> bool:
        return self.subject.tree is subject.tree and self.contract == contract.id


class HeadSurveys:
    """Thread-safe. A survey is made once for as long as the overlay's tree and pipeline.yaml stay the same objects; a
    thread that needs it meanwhile makes the next one that is missing, or waits.
    """

    def __init__(self, builds: Builds, memo: Cache) -> None:
        self._surveyor = Surveyor(builds, memo)
        self._known: dict[str, _Known] = {}
        self._verdicts: dict[str, tuple[ContractHead, tuple[Violation, ...]]] = {}
        self._lock = threading.Lock()

    def violations(
        self, name: str, head: ContractHead, unapplied: Mapping[str, OverlayAtTree | None] | None = None
    ) -> tuple[Violation, ...]:
        """Every violation that the overlay is charged with, with the file that most probably causes it. `unapplied`:
        the overlays whose render is new, each as it still runs, None = it does not run yet; what runs counts as well
        as what is about to. Without it only this overlay is new, and is charged with all that it has a part in.

        Raises: Rejected when the overlay or the reference does not render; Unavailable.
        """
        known = self._verdicts.get(name)
        if unapplied is None and known is not None and known[0] is head:
            return known[1]
        surveys = self._surveys(head, name)
        own, still = surveys[name], self._still(head.contract, {name: None} if unapplied is None else unapplied)
        others = [*surveys.values()]
        others += [each for each in still.values() if each is not None and each.environment != own.environment]
        charged = (*own.violations, *check_one(own, others, head.contract.book, still))
        found = self._surveyor.locate(head.overlays[name], head.contract, charged) if charged else ()
        if unapplied is None:
            self._verdicts[name] = (head, found)
        return found

    def _still(self, contract: Contract, unapplied: Mapping[str, OverlayAtTree | None]) -> dict[str, Survey | None]:
        """The surveys of what still runs; None for what does not run, and for what cannot be surveyed any more."""
        found: dict[str, Survey | None] = {}
        for name, subject in unapplied.items():
            try:
                found[name] = None if subject is None else self._surveyor.survey(subject, contract)
            except Rejected:
                found[name] = None
        return found

    def _surveys(self, head: ContractHead, name: str) -> Mapping[str, Survey]:
        """The overlay's survey and those of all other environments, but for those that do not render. Overlays of one
        environment break no rule together. Raises as violations does.
        """
        self._forget_others(head)
        environment = head.overlays[name].overlay.environment
        order = (name, *(each for each, it in head.overlays.items() if it.overlay.environment != environment))
        made = {each: self._survey(head.overlays[each], head.contract) for each in order}
        found = {name: made.pop(name).result()}
        for each, survey in made.items():
            error = survey.exception()
            if error is None:
                found[each] = survey.result()
            elif isinstance(error, Unavailable):
                raise error
        bases = {each: head.overlays[each].base for each in found}
        return {each: replace(survey, base=bases[each]) for each, survey in found.items()}

    def _survey(self, subject: OverlayAtTree, contract: Contract) -> "Future[Survey]":
        name = subject.overlay.name
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.is_of(subject, contract):
                return known.survey
            made = Future[Survey]()
            self._known[name] = _Known(subject, contract.id, made)
        try:
            made.set_result(self._surveyor.survey(subject, contract))
        except BaseException as error:
            made.set_exception(error)
            if not isinstance(error, Rejected) or error.reason == "LimitExceeded":  # it may go better next time
                self._known.pop(name, None)
            if not isinstance(error, GitopsError):
                raise
        return made

    def _forget_others(self, head: ContractHead) -> None:
        """Forgets overlays that are gone from the head."""
        with self._lock:
            for gone in self._known.keys() - head.overlays.keys():
                del self._known[gone]
                self._verdicts.pop(gone, None)
