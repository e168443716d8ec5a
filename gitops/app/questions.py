"""The work of the queue `questions`: answers for people who look at the page that take longer than a view of the page
may take. Two kinds of names: the git history, and a pair of environments to compare.
"""

from gitops.contract.parity_queue import ParityQueue
from gitops.history.git_history import QUESTION, GitHistory


class Questions:
    """Not thread-safe: needs a queue with one worker."""

    def __init__(self, history: GitHistory, comparisons: ParityQueue) -> None:
        self._history = history
        self._comparisons = comparisons

    def run(self, name: str) -> float | None:
        """Answers one question; returns after how many seconds it wants to be asked again."""
        if name == QUESTION:
            self._history.read()
            return None
        return self._comparisons.work(name)
