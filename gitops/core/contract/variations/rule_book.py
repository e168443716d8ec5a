"""The contract of one pipeline.yaml, compiled once: its rules, the names of its environments, its services' images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import ObjectPair
from gitops.core.contract.comparison.shapes import DeployScope, ObjectIdentity
from gitops.core.contract.environment_names import EnvironmentNames
from gitops.core.contract.variations import rules
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.images.reference import Image
from gitops.core.objects import Body

REFERENCE = ""
"""Stands for the reference where an environment is asked for: it belongs to none."""


@dataclass(frozen=True, slots=True)
class RuleBook:
    """`order`: the environments, each behind the one it comes after."""

    rules: tuple[VariationRule, ...]
    environments: Mapping[str, Environment]
    order: tuple[str, ...]
    vocabulary: EnvironmentNames
    services: frozenset[str]

    def home(self, environment: str) -> DeployScope:
        """Where an environment's objects live."""
        declared = self.environments[environment]
        return DeployScope(frozenset({declared.namespace}), declared.prefix, declared.suffix)

    def sides(self, before: str, after: str) -> ObjectPair:
        """Of a comparison between two environments, or REFERENCE and one."""
        vocabulary = self.vocabulary
        return ObjectPair(lambda text: vocabulary.neutral(text, before), lambda text: vocabulary.neutral(text, after))

    def ident(self, ident: ObjectIdentity, environment: str) -> ObjectIdentity:
        """The same without the names of the environment, so that `gateway-dev` meets `gateway-prod`."""
        name = self.vocabulary.neutral(ident.name, environment)
        return ObjectIdentity(ident.group, ident.kind, self.vocabulary.neutral(ident.namespace, environment), name)

    def field_rules(self, ident: ObjectIdentity, environments: Sequence[str]) -> tuple[VariationRule, ...]:
        """Those about fields of this object in any of these environments, in the order in which they are asked."""
        return tuple(rule for rule in self._selecting(ident, environments) if rule.field is not None)

    def presence(self, ident: ObjectIdentity, environments: Sequence[str]) -> VariationRule | None:
        """The rule that lets the object be in some environments only."""
        return next((rule for rule in self._selecting(ident, environments) if rule.field is None), None)

    def is_last(self, environment: str) -> bool:
        return not any(other.after == environment for other in self.environments.values())

    @property
    def is_standard(self) -> bool:
        return any(rule.preset for rule in self.rules)

    def service_image(self, value: Any) -> Image | None:
        """The image of a declared service, whose tag and digest are the business of promotions; None for others."""
        try:
            image = images.parse(value) if isinstance(value, str) else None
        except Rejected:
            return None
        return image if image and image.name in self.services else None

    def _selecting(self, ident: ObjectIdentity, environments: Sequence[str]) -> Iterator[VariationRule]:
        for rule in self.rules:
            if rule.selects(ident) and any(rule.applies(environment) for environment in environments):
                yield rule


def of(pipeline: Pipeline, *, checked: bool = False) -> RuleBook:
    """Raises: Rejected(InvalidPipeline) for a schema that is none; `checked`: this pipeline was compiled before."""
    return RuleBook(
        rules=rules.compiled(pipeline.variations, checked=checked),
        environments=pipeline.environments,
        order=pipeline.order,
        vocabulary=EnvironmentNames({name: each.namespace for name, each in pipeline.environments.items()}),
        services=frozenset(service.image for service in pipeline.services.values()),
    )


def reference_home(bodies: Sequence[Body]) -> DeployScope:
    """The reference's own namespaces are all that it names, and `default`."""
    found = {str(body["metadata"].get("namespace") or "") for body in bodies}
    return DeployScope(frozenset(found | {"default"}) - {""})


def first(rules_of_object: Sequence[VariationRule], path: str) -> VariationRule | None:
    return next((rule for rule in rules_of_object if rule.covers(path)), None)


def costs(rule: VariationRule | None) -> ViolationSeverity:
    """What a difference costs: nothing where a variation lets it through."""
    return ViolationSeverity.FORBID if rule is None else rule.outcome
