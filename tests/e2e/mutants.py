"""`lockstep` with a built-in fault that the tests must find: `python -m tests.e2e.mutants FAULT run -c ...`."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from gitops.__main__ import main
from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.applysets import KubernetesApplySets
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.app import wiring as assembly
from gitops.core.config_repo.commits import NewCommit
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body
from gitops.core.ownership.applyset import Parent
from gitops.ports import NOWHERE


class WithoutWriteAhead(KubernetesApplySets):
    """Stores a member in the inventory only after it was applied."""

    def write(self, parent: Parent) -> Parent:
        applied = {key: member for key, member in parent.members.items() if member.manifest}
        return super().write(replace(parent, members=applied))


class WithoutPush(GitConfigRepo):
    """Reports a commit as pushed without pushing it."""

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        return parent


class WithoutApply(KubernetesCluster):
    """Applies existing objects as a dry run only."""

    def apply(self, manifest: Manifest, resource_version: str) -> Body:
        if resource_version not in {"", NOWHERE}:
            return self.preview(manifest, resource_version)
        return super().apply(manifest, resource_version)


FAULTS = {
    "write-ahead": ("KubernetesApplySets", WithoutWriteAhead),
    "push": ("GitConfigRepo", WithoutPush),
    "apply": ("KubernetesCluster", WithoutApply),
}

if __name__ == "__main__":
    name, fault = FAULTS[sys.argv.pop(1)]
    assert hasattr(assembly, name)
    setattr(assembly, name, fault)
    main()
