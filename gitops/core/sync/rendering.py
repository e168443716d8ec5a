"""From the text that kustomize prints to the manifests that a pass applies: parsed, in scope, labelled. Pure.

`lockstep check` and the contract read manifests by `parse`, so that they refuse what a pass would refuse.
"""

from dataclasses import dataclass

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests import scope
from gitops.core.manifests.manifest import Manifest, ScopeReader
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.ownership.applyset import applyset_of
from gitops.core.sync import apply_order
from gitops.core.sync.desired import Rendered


@dataclass(frozen=True, slots=True)
class RenderRules:
    """`declared`: the pipeline.yaml whose scope counts. `ceilings` of the controller's own configuration bound it;
    `secret_key` is the key of the hashes of Secrets.
    """

    declared: Pipeline | None
    ceilings: ScopeCeilings | None = None
    secret_key: bytes = b""


def parse(text: bytes, overlay: Overlay, rules: RenderRules, is_namespaced: ScopeReader) -> tuple[Manifest, ...]:
    """The manifests of a render, all in scope. Raises: Rejected as manifest.parse and scope.require do."""
    parsed = manifests.parse(text, overlay, is_namespaced, secret_key=rules.secret_key)
    scope.require(parsed, scope.of(overlay, rules.declared), rules.ceilings)
    return parsed


def rendered(text: bytes, overlay: Overlay, rules: RenderRules, is_namespaced: ScopeReader) -> Rendered:
    """The manifests as they are applied: labelled as members of the overlay's ApplySet, without the replicas that an
    autoscaler of the same render sets. Raises: Rejected as parse does, and for a sync wave that is no number.
    """
    parsed = parse(text, overlay, rules, is_namespaced)
    for manifest in parsed:
        apply_order.wave(manifest.body)  # raises while nothing has been written yet
    kept, scaled = manifests.without_owned_replicas(parsed)
    applyset = applyset_of(overlay.name)
    labelled = tuple(manifests.with_part_of(each, applyset, secret_key=rules.secret_key) for each in kept)
    return Rendered(labelled, scaled)
