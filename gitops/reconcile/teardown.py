"""Removes the objects of an overlay that left git. Only `lockstep down` does this; no pass does."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from gitops.core.errors import Rejected
from gitops.core.objects import Key
from gitops.core.ownership.applyset import applyset_of
from gitops.core.sync import plan
from gitops.core.sync.plan import Outcome, Policy
from gitops.ports import ApplySets, Ledger, LiveState
from gitops.reconcile.executor import ApplyScope, Executor
from gitops.reconcile.object_claims import NoClaims


@dataclass(frozen=True, slots=True)
class Teardown:
    """`in_git` are the overlays that the config repo has now."""

    parents: ApplySets
    ledger: Ledger
    live: LiveState
    executor: Executor
    in_git: Collection[str]

    def execute(self, overlay: str) -> dict[Key, Outcome]:
        """Deletes the members, then the parent and the ledger. Kinds that are never pruned stay, with their parent.

        Raises: Rejected(StillInGit), Rejected(NotFound); Conflict when a controller works on it at the same time.
        """
        if overlay in self.in_git:
            raise Rejected("StillInGit", f"the config repo still has {overlay}: remove its directory there first")
        stored = self.parents.read(overlay)
        if stored is None:
            raise Rejected(
                "NotFound", f"no overlay {overlay} was ever applied; `lockstep status` lists those that were"
            )
        parent = self.parents.write(stored)
        self.live.watch({(key.group, member.version, key.kind) for key, member in parent.members.items()})
        observed = self.live.members(applyset_of(overlay))
        steps = plan.plan((), parent.members, observed, Policy(budget=len(parent.members)))
        scope = ApplyScope(applyset_of(overlay), {}, frozenset(), NoClaims())
        outcomes = self.executor.execute(steps, scope, observed)
        left = plan.members_after(parent.members, outcomes)
        if left:
            self.parents.write(replace(parent, members=left))
        else:
            self.parents.remove(parent)
            self.ledger.remove(overlay)
        return outcomes
