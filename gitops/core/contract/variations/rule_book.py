"""The rule book of one pipeline.yaml: its rules, the names of its environments, the images of its services.

It is compiled once for each pipeline.yaml and asked for each object.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.comparison.differences import ComparedSides
from gitops.core.contract.comparison.shapes import DeployScope, ObjectIdentity
from gitops.core.contract.environment_names import EnvironmentNames
from gitops.core.contract.variations.rules import VariationRule, compile_variations
from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.images.reference import Image
from gitops.core.objects import Body

REFERENCE = ""
"""The reference, where a method asks for an environment: the reference belongs to none."""


@dataclass(frozen=True, slots=True)
class RuleBook:
    """`order`: the environments, each behind the one it comes after. `services`: image names of declared services."""

    rules: tuple[VariationRule, ...]
    environments: Mapping[str, Environment]
    order: tuple[str, ...]
    environment_names: EnvironmentNames
    services: frozenset[str]

    def scope(self, environment: str) -> DeployScope:
        """The namespace, prefix and suffix that pipeline.yaml declares for an environment's objects."""
        declared = self.environments[environment]
        return DeployScope(frozenset({declared.namespace}), declared.prefix, declared.suffix)

    def sides(self, before: str, after: str) -> ComparedSides:
        """The two sides of a comparison: two environments, or REFERENCE and an environment."""
        names = self.environment_names
        return ComparedSides(lambda text: names.neutralize(text, before), lambda text: names.neutralize(text, after))

    def shared_identity(self, ident: ObjectIdentity, environment: str) -> ObjectIdentity:
        """The identity without the environment's own names, so that `gateway-dev` is paired with `gateway-prod`."""
        neutralize = self.environment_names.neutralize
        namespace, name = (neutralize(text, environment) for text in (ident.namespace, ident.name))
        return ObjectIdentity(ident.group, ident.kind, namespace, name)

    def field_rules(self, ident: ObjectIdentity, environments: Sequence[str]) -> tuple[VariationRule, ...]:
        """The rules about fields of this object in any of these environments, in the order in which they are asked."""
        return tuple(rule for rule in self._rules_for(ident, environments) if rule.field is not None)

    def presence_rule(self, ident: ObjectIdentity, environments: Sequence[str]) -> VariationRule | None:
        """The rule that allows the object to exist in some environments only; None if there is none."""
        return next((rule for rule in self._rules_for(ident, environments) if rule.field is None), None)

    def is_last(self, environment: str) -> bool:
        return not any(other.after == environment for other in self.environments.values())

    @property
    def has_standard_preset(self) -> bool:
        return any(rule.preset for rule in self.rules)

    def service_image(self, value: Any) -> Image | None:
        """The image in `value` if it is that of a declared service: promotions change its tag and digest. Else None."""
        try:
            image = images.parse(value) if isinstance(value, str) else None
        except Rejected:
            return None
        return image if image and image.name in self.services else None

    def _rules_for(self, ident: ObjectIdentity, environments: Sequence[str]) -> Iterator[VariationRule]:
        for rule in self.rules:
            if rule.selects(ident) and any(rule.applies(environment) for environment in environments):
                yield rule


def compile_rule_book(pipeline: Pipeline, *, checked: bool = False) -> RuleBook:
    """The rule book of a pipeline.yaml. `checked`: this pipeline was compiled before, its schemas are valid.

    Raises: Rejected(InvalidPipeline) for an invalid schema.
    """
    return RuleBook(
        rules=compile_variations(pipeline.variations, checked=checked),
        environments=pipeline.environments,
        order=pipeline.order,
        environment_names=EnvironmentNames({name: each.namespace for name, each in pipeline.environments.items()}),
        services=frozenset(service.image for service in pipeline.services.values()),
    )


def reference_scope(bodies: Sequence[Body]) -> DeployScope:
    """The scope of the reference's objects: every namespace that they are in counts as their own, and `default`."""
    found = {str(body["metadata"].get("namespace") or "") for body in bodies}
    return DeployScope(frozenset(found | {"default"}) - {""})
