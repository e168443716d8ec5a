"""Who asks for a promotion, and who approves: as the remote's tags tell. What was carried out once is done for ever."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.image_updates.changes import one_line
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import requests
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.requests import PromotionRequest, RefusedRequest, SignedTag
from gitops.ports import ConfigRepo

_FUTURE = timedelta(minutes=5)


class RequestTags:
    """`skippable`: the gates that a request may skip by name. `read` may be called by any thread, the others by one."""

    def __init__(self, repo: ConfigRepo, skippable: Collection[Gate], now: Callable[[], datetime]) -> None:
        self._repo = repo
        self._skippable = skippable
        self._now = now
        self._tags: tuple[SignedTag, ...] = ()
        self._done: tuple[str, frozenset[str]] = ("", frozenset())

    def read(self) -> None:
        """Asks the remote. Raises: Unavailable."""
        self._tags = tuple(self._repo.tags([requests.PROMOTE, requests.APPROVE]))

    def requests(self, declared: Pipeline, environment: str) -> tuple[list[PromotionRequest], list[str]]:
        """Those that are neither done nor expired, the oldest first; and why others are refused, in sentences."""
        done, found, refused = self._carried_out(), [], []
        for tag in self._of(declared, environment):
            if tag.id in done:
                continue
            asked = requests.read(tag, declared.services, self._skippable)
            if isinstance(asked, RefusedRequest):
                refused.append(f"refused: {asked.message}")
            elif asked.asked_at > self._now() + _FUTURE:
                refused.append(f"refused: tag {one_line(tag.name)}: its date lies in the future")
            else:
                found.append(asked)
        return sorted(found, key=lambda each: each.asked_at), refused

    def strays(self, declared: Pipeline) -> list[str]:
        """Requests for environments that nothing is promoted to, in sentences."""
        promotable = [name for name in declared.order if declared.environments[name].promote is not None]
        names = {requests.environment_of(tag) for tag in self._tags} - {"", *promotable}
        known = f"promotions are asked for by promote/<environment>/<name>, and lead to {', '.join(promotable)}"
        return [
            f"refused: tag {one_line(tag.name)}: {known}" for name in sorted(names) for tag in self._of(declared, name)
        ]

    def approvers(self, asked: PromotionRequest, release: str) -> frozenset[str]:
        """Who approves of this request with this content."""
        prefix = f"{requests.APPROVE}{asked.environment}/{asked.name}/"
        given = (requests.approval(tag) for tag in self._tags if tag.name.startswith(prefix))
        return requests.approvers(asked, release, [each for each in given if each is not None])

    def _of(self, declared: Pipeline, environment: str) -> list[SignedTag]:
        """Those that ask for something there, and have not expired."""
        now, ttl = self._now(), declared.request.ttl
        return [
            tag
            for tag in self._tags
            if requests.environment_of(tag) == environment and not requests.is_expired(tag, now, ttl)
        ]

    def _carried_out(self) -> frozenset[str]:
        """The whole history is read once, then what is new. What is done stays done, also where a merge has put the
        environment's files back.
        """
        head = self._repo.head()
        known, ids = self._done
        if known != head:
            ids |= self._repo.trailers(promotion_commits.REQUEST_TRAILER, known)
            self._done = (head, ids)
        return ids
