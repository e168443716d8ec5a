"""The term of leadership in which one look at promotions runs."""

from gitops.ports import Leadership
from gitops.promotion.proof_recorder import ProofRecorder


class LeaderTerm:
    """Implements ports.Leadership, more strictly: this replica leads, and has led without a break since `begin`.

    Another replica may have written proofs in between, so results from before `begin` may be outdated.
    """

    def __init__(self, leadership: Leadership, recorder: ProofRecorder) -> None:
        self._leadership = leadership
        self._recorder = recorder
        self._term: int | None = None

    def begin(self) -> None:
        """Begins a new look, in the present term."""
        self._term = self._recorder.term

    def is_leader(self) -> bool:
        return self._leadership.is_leader() and self._term is not None and self._term == self._recorder.term
