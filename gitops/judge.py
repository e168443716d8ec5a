"""The contract as the controller asks for it: one overlay at a time, as it is about to be let in, beside what is known
of the others.
"""

import threading

from gitops.core.contract import book as books
from gitops.core.contract.across import beside
from gitops.core.contract.survey import Survey
from gitops.core.contract.violations import Violation
from gitops.core.pipeline import Pipeline
from gitops.ports import Memo, Renderer, Trees
from gitops.surveyor import Contract, Situation, Surveyor


class Judge:
    """Thread-safe. What an overlay was last seen to be is remembered, so that others are judged beside it."""

    def __init__(self, repo: Trees, renderer: Renderer, memo: Memo) -> None:
        self._surveyor = Surveyor(repo, renderer, memo)
        self._surveys = dict[str, Survey]()
        self._contract: Contract | None = None
        self._lock = threading.Lock()

    def judge(self, situation: Situation, declared: Pipeline, pipeline_id: str) -> tuple[Violation, ...]:
        """Every violation that is the overlay's own, with the file that most probably causes it. `pipeline_id` is the
        id of the content that `declared` was read from.

        Raises: Rejected when the overlay or the reference does not render, or for an invalid schema; Unavailable.
        """
        if situation.overlay.is_platform:
            return ()
        contract = self._compiled(declared, pipeline_id)
        survey = self._surveyor.survey(situation, contract)
        with self._lock:
            self._surveys[survey.name] = survey
            others = tuple(self._surveys.values())
        violations = (*survey.violations, *beside(survey, others, contract.book))
        unproven = self._surveyor.unproven(situation, survey, contract)
        return (*unproven, *self._surveyor.located(situation, contract, violations))

    def forget(self, overlay: str) -> None:
        """The overlay is gone: nobody is judged beside it any more."""
        with self._lock:
            self._surveys.pop(overlay, None)

    def _compiled(self, declared: Pipeline, pipeline_id: str) -> Contract:
        with self._lock:
            if self._contract is None or self._contract.id != pipeline_id:
                self._contract = Contract(pipeline_id, declared, books.of(declared))
            return self._contract
