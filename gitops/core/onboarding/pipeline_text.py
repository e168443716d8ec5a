"""environments/pipeline.yaml as `lockstep init` writes it: for people, in a fixed order, with what is to be decided."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gitops.core.config_repo.environments import Environment
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.services import Service
from gitops.core.config_repo.variations import Variation
from gitops.core.onboarding.foreign_names import MentionDoubt

_HEAD = """\
# The way of a change: which images are followed, which environments there are and in which order, and in what they may
# differ. Written by `lockstep init` from what was there; every guess is yours to correct.
"""
_LOOSE = """\
# Images that environments have in different versions. As services they would be followed and promoted; for that every
# environment must pin them (newTag and digest under `images:`). Then uncomment, and drop them from `image` below.
"""
_ENVIRONMENTS = """\
# `observe` shows what would be done and writes nothing to the cluster. Take it out, one environment after another.
"""
_VARIATIONS = """\
# The contract: what environments differ in today. Whatever is not listed is a violation. Narrow it where you can.
"""
_DOUBTS = """\
# These look like faults: an environment names another one. Mend them, or, where it is meant, uncomment the line.
"""


def text(declared: Pipeline, loose: Mapping[str, Service], doubts: Sequence[MentionDoubt]) -> bytes:
    """Parsed, it is `declared` again."""
    return "".join(_lines(declared, loose, doubts)).encode()


def _lines(declared: Pipeline, loose: Mapping[str, Service], doubts: Sequence[MentionDoubt]) -> Iterator[str]:
    yield _HEAD
    yield f"\n# What every environment is compared with.\nreference: {flow(declared.reference)}\n"
    if declared.registries:
        yield "\nregistries:\n"
        yield from (f"- {{host: {flow(each.host)}}}\n" for each in declared.registries)
    if declared.services:
        yield "\nservices:\n"
        yield from (f"  {_service(*each)}" for each in declared.services.items())
    if loose:
        yield f"\n{_LOOSE}# services:\n"
        yield from (f"#   {_service(*each)}" for each in loose.items())
    yield f"\n{_ENVIRONMENTS}environments:\n"
    yield from (_environment(name, each) for name, each in declared.environments.items())
    yield f"\n{_VARIATIONS}variations:" + ("" if declared.variations else " []") + "\n"
    yield from (f"- {_variation(each)}\n" for each in declared.variations)
    if doubts:
        yield f"\n{_DOUBTS}"
        for doubt in doubts:
            said = "".join(each if each.isprintable() else " " for each in doubt.said)
            yield f"# {said}\n# - {_variation(doubt.variation)}\n"


def _service(name: str, service: Service) -> str:
    tags = service.tags.model_dump(mode="json", exclude_none=True)
    return f"{name}: {flow({'image': service.image, 'tags': tags})}\n"


def _environment(name: str, environment: Environment) -> str:
    held = environment.model_dump(mode="json", exclude_defaults=True, exclude={"promote"})
    lines = [f"  {name}:\n"]
    for field, value in held.items():
        lines.append(f"    {field}: {flow(value)}\n")
        if field == "after":
            lines.append("    promote: {when: requested}\n")
    return "".join(lines)


def _variation(variation: Variation) -> str:
    held = variation.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    order = ("name", "kinds", "objects", "field", "environments", "schema", "names")
    return flow({name: held[name] for name in order if name in held})


def flow(value: Any) -> str:
    """YAML on one line. A scalar is quoted, as JSON is, unless no reader of YAML could take it for something else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(name))}: {flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """In single quotes, which leave regular expressions readable, if the text is printable."""
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
