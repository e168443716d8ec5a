"""The contract as the controller asks for it: one overlay, as it is about to be let in, beside all the others of the
same head.
"""

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

Past = Mapping[str, OverlayAtTree | None]
"""Overlay -> what it was applied from last, None = nothing was."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A survey that is being made or was made, and what it was made from."""

    situation: OverlayAtTree
    contract: str
    survey: "Future[Survey]"

    def is_of(self, situation: OverlayAtTree, contract: Contract) -> bool:
        return self.situation.tree is situation.tree and self.contract == contract.id


class ContractAdmission:
    """Thread-safe. A survey is made once for as long as the overlay's tree and pipeline.yaml stay the same objects; who
    asks meanwhile makes the next one that is missing, or waits.
    """

    def __init__(self, builds: Builds, memo: Cache) -> None:
        self._surveyor = Surveyor(builds, memo)
        self._known: dict[str, _Known] = {}
        self._verdicts: dict[str, tuple[ContractHead, tuple[Violation, ...]]] = {}
        self._lock = threading.Lock()

    def judge(self, name: str, docket: ContractHead, before: Past | None = None) -> tuple[Violation, ...]:
        """Every violation that the overlay is charged with, with the file that most probably causes it. `before`: the
        overlays whose render is new, each as it still runs: what runs counts as well as what is about to. None = only
        this one is new, so that it is charged with all that it has a part in.

        Raises: Rejected when the overlay or the reference does not render; Unavailable.
        """
        situation = docket.situations[name]
        known = self._verdicts.get(name)
        if before is None and known is not None and known[0] is docket:
            return known[1]
        surveys = self._surveys(docket, name)
        own, still = surveys[name], self._still(docket.contract, {name: None} if before is None else before)
        others = [*surveys.values()]
        others += [each for each in still.values() if each is not None and each.environment != own.environment]
        violations = (*own.violations, *check_one(own, others, docket.contract.book, still))
        found = self._surveyor.located(situation, docket.contract, violations)
        if before is None:
            self._verdicts[name] = (docket, found)
        return found

    def _still(self, contract: Contract, before: Past) -> dict[str, Survey | None]:
        """What cannot be surveyed any more counts as unknown."""
        found: dict[str, Survey | None] = {}
        for name, situation in before.items():
            try:
                found[name] = None if situation is None else self._surveyor.survey(situation, contract)
            except Rejected:
                found[name] = None
        return found

    def _surveys(self, docket: ContractHead, name: str) -> Mapping[str, Survey]:
        """Its own and those of all other environments, but for those that do not render. Overlays of one environment
        break no rule together. Raises as judge does.
        """
        self._forget_others(docket)
        environment = docket.situations[name].overlay.environment
        order = (name, *(each for each, it in docket.situations.items() if it.overlay.environment != environment))
        made = {each: self._survey(docket.situations[each], docket.contract) for each in order}
        found = {name: made.pop(name).result()}
        for each, survey in made.items():
            error = survey.exception()
            if error is None:
                found[each] = survey.result()
            elif isinstance(error, Unavailable):
                raise error
        bases = {each: docket.situations[each].base for each in found}
        return {each: replace(survey, base=bases[each]) for each, survey in found.items()}

    def _survey(self, situation: OverlayAtTree, contract: Contract) -> "Future[Survey]":
        name = situation.overlay.name
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.is_of(situation, contract):
                return known.survey
            made = Future[Survey]()
            self._known[name] = _Known(situation, contract.id, made)
        try:
            made.set_result(self._surveyor.survey(situation, contract))
        except BaseException as error:
            made.set_exception(error)
            if not isinstance(error, Rejected) or error.reason == "LimitExceeded":  # it may go better next time
                self._known.pop(name, None)
            if not isinstance(error, GitopsError):
                raise
        return made

    def _forget_others(self, docket: ContractHead) -> None:
        """Overlays that are gone: nobody is judged beside them any more."""
        with self._lock:
            for gone in self._known.keys() - docket.situations.keys():
                del self._known[gone]
                self._verdicts.pop(gone, None)
