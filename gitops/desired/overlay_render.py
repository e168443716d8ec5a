"""From a head to the desired state of one overlay: compose, guard, render. Remembers it in the head's memory."""

from dataclasses import dataclass, replace

from gitops.core.config_repo import compose, pipeline
from gitops.core.config_repo.compose import Composition
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Place, Rejected, Unavailable
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.revision import Revision
from gitops.core.sync import rendering
from gitops.core.sync.desired import Desired, Rendered, assemble
from gitops.core.sync.rendering import RenderRules
from gitops.desired.head_memory import HeadMemory
from gitops.desired.trunk import Trunk
from gitops.ports import Cluster, SecretHashKey, Trees
from gitops.render.builds import Builds


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """The bounds that the controller's own configuration sets: `ceilings`, which pipeline.yaml can only narrow, and
    `context`, the name of the cluster that the controller reaches. `hash_key` is for the hashes of Secrets.
    """

    ceilings: ScopeCeilings
    hash_key: SecretHashKey
    context: str | None = None


@dataclass(frozen=True, slots=True)
class RenderParties:
    """`trunk` tells whether the commits of a release are reachable; `cluster` the scope of kinds."""

    repo: Trees
    trunk: Trunk
    builds: Builds
    cluster: Cluster
    rules: ScopeRules


class OverlayRender:
    """Thread-safe. Every method raises Rejected with what is wrong, where; Unavailable."""

    def __init__(self, parties: RenderParties) -> None:
        self._parties = parties
        self._repo = parties.repo
        self._builds = parties.builds
        self._rules = parties.rules

    def at_head(self, memory: HeadMemory, overlay: Overlay) -> Desired:
        """The desired state of the overlay at the head of `memory`."""
        if memory.layout.broken is not None:
            raise memory.layout.broken
        self._require_within_reach(memory.layout.pipeline, overlay)
        composition = self.composition(memory, overlay)
        closure = self._builds.closure(composition.tree, overlay.path)
        with memory.lock:
            memory.reached[overlay.name] = closure
        return self._assemble(memory, overlay, composition, closure)

    def at(self, memory: HeadMemory, overlay: Overlay, revision: Revision) -> Desired:
        """The desired state at another revision, treated as pipeline.yaml of the head says."""
        composition = Composition(revision, compose.compose_at(overlay, revision, self._repo.tree))
        closure = self._builds.closure(composition.tree, overlay.path)
        return self._assemble(memory, overlay, composition, closure)

    def composition(self, memory: HeadMemory, overlay: Overlay) -> Composition:
        """The commits and the tree that the overlay is rendered from."""
        known = memory.compositions.get(overlay.name)
        if known is None:
            known = compose.compose(overlay, memory.layout.head, self._repo.tree, self._repo.read)
            off_trunk = self._parties.trunk.require(memory.layout.head, known.revision)
            known = replace(known, off_trunk=off_trunk) if off_trunk else known
            with memory.lock:
                known = memory.compositions.setdefault(overlay.name, known)
        return known

    def _assemble(self, memory: HeadMemory, overlay: Overlay, composition: Composition, closure: Closure) -> Desired:
        with memory.lock:
            key, rendered = memory.rendered.get(overlay.name, ("", None))
        if rendered is None or key != closure.key:
            rendered = self._render(overlay, memory.layout.pipeline, closure)
            if not rendered.provisional:
                with memory.lock:
                    memory.rendered[overlay.name] = (closure.key, rendered)
        return assemble(memory.layout.pipeline, overlay, composition, closure, rendered)

    def _render(self, overlay: Overlay, declared: Pipeline | None, closure: Closure) -> Rendered:
        text, kinds = self._builds.text(closure), _KindScopes(self._parties.cluster)
        rules = RenderRules(declared, self._rules.ceilings, self._rules.hash_key.read())
        found = rendering.parse_render(text, overlay, rules, kinds.is_namespaced)
        return replace(found, provisional=bool(kinds.unserved))

    def _require_within_reach(self, declared: Pipeline | None, overlay: Overlay) -> None:
        """An overlay of another cluster must never be applied to this one. Raises: Rejected(OtherCluster)."""
        environment = declared.environments.get(overlay.environment) if declared else None
        wanted = environment.context if environment else None
        if wanted is None or wanted == self._rules.context:
            return
        here = f"`{self._rules.context}`" if self._rules.context else "a cluster without a name"
        message = (
            f"{overlay.environment} belongs into the cluster `{wanted}` (context), and this controller reaches "
            f"{here}; set cluster.context of lockstep.yaml, or take `context` out"
        )
        raise Rejected("OtherCluster", message, place=Place(pipeline.FILE))


class _KindScopes:
    """The scope of kinds, as the API server tells. `unserved`: kinds that it did not serve; their objects count as
    namespaced and fail by themselves when they are applied, and the rest goes on.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.unserved: set[tuple[str, str]] = set()

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        try:
            return self._cluster.is_namespaced(kind)
        except Rejected as error:
            if error.reason != "NoMatches":
                raise Unavailable(error.reason, error.message) from error
            self.unserved.add(kind)
            return True
