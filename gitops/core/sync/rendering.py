"""Turns the output of kustomize into the manifests that a pass applies: parsed, in scope, labelled.

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
    """The rules for a render. `declared`: the pipeline.yaml that gives the scope. `ceilings`: the bounds of
    lockstep.yaml. `secret_key`: the key for the hashes of Secrets.
    """

    declared: Pipeline | None
    ceilings: ScopeCeilings | None = None
    secret_key: bytes = b""


def parse(text: bytes, overlay: Overlay, rules: RenderRules, is_namespaced: ScopeReader) -> tuple[Manifest, ...]:
    """Parses a render and checks its scope. Raises: Rejected, as manifest.parse and scope.require."""
    parsed = manifests.parse(text, overlay, is_namespaced, secret_key=rules.secret_key)
    scope.require(parsed, scope.of(overlay, rules.declared), rules.ceilings)
    return parsed


def parse_render(text: bytes, overlay: Overlay, rules: RenderRules, is_namespaced: ScopeReader) -> Rendered:
    """The manifests as they are applied: with the part-of label of the overlay's ApplySet, and without replicas that an
    autoscaler of the same render owns. Raises: Rejected, as `parse`, and for a sync wave that is no number.
    """
    parsed = parse(text, overlay, rules, is_namespaced)
    for manifest in parsed:
        apply_order.wave(manifest.body)  # raises while nothing has been written yet
    kept, scaled = manifests.without_owned_replicas(parsed)
    applyset = applyset_of(overlay.name)
    labelled = tuple(manifests.with_part_of(each, applyset, secret_key=rules.secret_key) for each in kept)
    return Rendered(labelled, scaled)
