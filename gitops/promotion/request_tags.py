"""Requests and approvals, read from the remote's tags. A request that was carried out once is done for ever."""

from collections.abc import Collection
from datetime import timedelta

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.image_updates.changes import one_line
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import requests
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.requests import Approval, PromotionRequest, RefusedRequest, SignedTag
from gitops.ports import Clock, ConfigRepo

_FUTURE = timedelta(minutes=5)


class RequestTags:
    """`skippable`: gates that a request may skip by name. `read` may be called by any thread, the other methods by one
    at a time.
    """

    def __init__(self, repo: ConfigRepo, skippable: Collection[Gate], clock: Clock) -> None:
        self._repo = repo
        self._skippable = skippable
        self._clock = clock
        self._tags: tuple[SignedTag, ...] = ()
        self._done: tuple[str, frozenset[str]] = ("", frozenset())

    def read(self) -> None:
        """Asks the remote. Raises: Unavailable."""
        self._tags = tuple(self._repo.tags([requests.PROMOTE, requests.APPROVE]))

    def requests(self, declared: Pipeline, environment: str) -> tuple[list[PromotionRequest], list[str]]:
        """Requests that are neither done nor expired, the oldest first; and why others are refused, in sentences."""
        done, found, refused = self._read_done(), [], []
        for tag in self._of(declared, environment):
            if tag.id in done:
                continue
            request = requests.read(tag, declared.services, self._skippable)
            if isinstance(request, RefusedRequest):
                refused.append(f"refused: {request.message}")
            elif request.asked_at > self._clock.now() + _FUTURE:
                refused.append(f"refused: tag {one_line(tag.name)}: its date lies in the future")
            else:
                found.append(request)
        return sorted(found, key=lambda each: each.asked_at), refused

    def strays(self, declared: Pipeline) -> list[str]:
        """The refusals of requests for environments without promotions, in sentences."""
        promotable = [name for name in declared.order if declared.environments[name].promote is not None]
        names = {requests.environment_of(tag) for tag in self._tags} - {"", *promotable}
        known = f"promotions are asked for by promote/<environment>/<name>, and lead to {', '.join(promotable)}"
        return [
            f"refused: tag {one_line(tag.name)}: {known}" for name in sorted(names) for tag in self._of(declared, name)
        ]

    def approvals(self, request: PromotionRequest) -> list[Approval]:
        """The approvals under the name of this request, whichever tag object and release they are for."""
        prefix = f"{requests.APPROVE}{request.environment}/{request.name}/"
        given = (requests.approval(tag) for tag in self._tags if tag.name.startswith(prefix))
        return [each for each in given if each is not None]

    def _of(self, declared: Pipeline, environment: str) -> list[SignedTag]:
        """Tags that ask for something in this environment, and have not expired."""
        now, ttl = self._clock.now(), declared.request.ttl
        return [
            tag
            for tag in self._tags
            if requests.environment_of(tag) == environment and not requests.is_expired(tag, now, ttl)
        ]

    def _read_done(self) -> frozenset[str]:
        """Ids of the tags that a commit of the trunk names. The whole history is read once, then what is new. A request
        stays done, also where a merge has put the environment's files back.
        """
        head = self._repo.head()
        known, ids = self._done
        if known != head:
            ids |= self._repo.trailers(promotion_commits.REQUEST_TRAILER, known)
            self._done = (head, ids)
        return ids
