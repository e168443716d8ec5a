"""Decides when generated ConfigMaps and Secrets (of a kustomize generator) that left git may be pruned.

A rollback needs them, and running pods refer to them. So they stay until the new content was Healthy, and then until no
running pod refers to them.
"""

from collections.abc import Collection

from gitops.core.objects import Key
from gitops.core.sync.plan import is_generated

RECHECK_SECONDS = 600.0
"""Seconds between two questions about the references of running pods."""


def may_prune(
    members: Collection[Key], wanted: Collection[Key], *, is_healthy: bool, since_asked: float | None
) -> bool:
    """True if this pass may prune generated members that no running pod refers to.

    `wanted`: the objects that git wants. `is_healthy`: exactly this content was Synced and Healthy. `since_asked`:
    seconds since the references of running pods were read, None = never.
    """
    has_leavers = any(is_generated(key) and key not in wanted for key in members)
    return is_healthy and has_leavers and (since_asked is None or since_asked >= RECHECK_SECONDS)
