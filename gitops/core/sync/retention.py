"""When ConfigMaps and Secrets that a kustomize generator made, and that left git, may be pruned. Pure.

A rollback needs them, and running Pods refer to them; so they stay until the new content was Healthy, and then until
nothing that runs refers to them.
"""

from collections.abc import Collection

from gitops.core.objects import Key
from gitops.core.sync.plan import is_generated

RECHECK_SECONDS = 600.0
"""Between two questions what running Pods refer to."""


def may_prune(
    members: Collection[Key], wanted: Collection[Key], *, is_healthy: bool, since_asked: float | None
) -> bool:
    """True when generated objects among the members may go in this pass, if nothing that runs refers to them.

    `wanted`: the objects that git wants. `is_healthy`: this very content was Synced and Healthy. `since_asked`: seconds
    since running Pods were asked what they refer to, None = they were not asked.
    """
    has_leavers = any(is_generated(key) and key not in wanted for key in members)
    return is_healthy and has_leavers and (since_asked is None or since_asked >= RECHECK_SECONDS)
