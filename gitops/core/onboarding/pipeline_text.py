"""Formats environments/pipeline.yaml for people: in a fixed order, with comments on what a person has to decide."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.services import Service
from gitops.core.config_repo.variations import Variation
from gitops.core.onboarding.foreign_names import ForeignNameFinding

_HEAD = """\
# The pipeline: which images are followed, which environments exist and in which order, and in which fields they may
# differ. `lockstep init` wrote this file from the kustomizations that it found. Correct every guess that is wrong.
"""
_LOOSE = """\
# Images whose versions differ between environments. As services they would be followed and promoted. First pin them in
# every environment (newTag and digest under `images:`), then uncomment them and remove them from `image` below.
"""
_ENVIRONMENTS = """\
# `observe` shows the plan and writes nothing to the cluster. Remove it from one environment after another.
"""
_VARIATIONS = """\
# The contract: the differences between environments today. Any other difference is a violation. Narrow them if you can.
"""
_FOREIGN_NAMES = """\
# These look like faults: an environment names another one. Correct the field, or uncomment the line if it is intended.
"""


def format_pipeline(
    declared: Pipeline, loose: Mapping[str, Service], foreign_names: Sequence[ForeignNameFinding]
) -> bytes:
    """The file. Parsing it gives `declared` again; `loose` services and foreign names are comments in it."""
    return "".join(_format_lines(declared, loose, foreign_names)).encode()


def _format_lines(
    declared: Pipeline, loose: Mapping[str, Service], foreign_names: Sequence[ForeignNameFinding]
) -> Iterator[str]:
    yield _HEAD
    yield f"\n# The directory that every environment is compared with.\nreference: {format_flow(declared.reference)}\n"
    if declared.registries:
        yield "\nregistries:\n"
        yield from (f"- {{host: {format_flow(each.host)}}}\n" for each in declared.registries)
    if declared.services:
        yield "\nservices:\n"
        yield from (f"  {_format_service(*each)}" for each in declared.services.items())
    if loose:
        yield f"\n{_LOOSE}# services:\n"
        yield from (f"#   {_format_service(*each)}" for each in loose.items())
    yield f"\n{_ENVIRONMENTS}environments:\n"
    yield from (_format_environment(name, each) for name, each in declared.environments.items())
    yield f"\n{_VARIATIONS}variations:" + ("" if declared.variations else " []") + "\n"
    yield from (f"- {_format_variation(each)}\n" for each in declared.variations)
    if foreign_names:
        yield f"\n{_FOREIGN_NAMES}"
        for found in foreign_names:
            summary = "".join(each if each.isprintable() else " " for each in found.summary)
            yield f"# {summary}\n# - {_format_variation(found.variation)}\n"


def _format_service(name: str, service: Service) -> str:
    tags = service.tags.model_dump(mode="json", exclude_none=True)
    return f"{name}: {format_flow({'image': service.image, 'tags': tags})}\n"


def _format_environment(name: str, environment: Environment) -> str:
    held = environment.model_dump(mode="json", exclude_defaults=True, exclude={"promote"})
    lines = [f"  {name}:\n"]
    for field, value in held.items():
        lines.append(f"    {field}: {format_flow(value)}\n")
        if field == "after":
            lines.append("    promote: {when: requested}\n")
    return "".join(lines)


def _format_variation(variation: Variation) -> str:
    held = variation.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    order = ("name", "kinds", "objects", "field", "environments", "schema", "names")
    return format_flow({name: held[name] for name in order if name in held})


def format_flow(value: Any) -> str:
    """The value as YAML on one line. A text is quoted unless every YAML parser reads it as that text without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{format_flow(str(name))}: {format_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(format_flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_plain(value) else _quote(value)
    return json.dumps(value)


def _quote(text: str) -> str:
    """The text in quotes: in single ones, in which regular expressions stay readable, if it is printable."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    plain = (each if each.isprintable() and each not in '"\\' else f"\\U{ord(each):08x}" for each in text)
    return f'"{"".join(plain)}"'


def _is_plain(text: str) -> bool:
    letters = text.replace("-", "").replace("/", "").replace(" ", "").replace("_", "").replace(".", "")
    first = text[:1]
    words = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    edges = (first.isalpha() or first == "/") and not text.endswith(" ")
    return edges and letters.isascii() and letters.isalnum() and text.lower() not in words
