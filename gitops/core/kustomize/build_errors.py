"""Turns the error output of a failed build into one line for people: bounded, with paths of the config repo, and
without contents of files.

kustomize quotes whole files, patches and generators in its errors, and these may contain the value of a Secret. Its own
words never span lines, but long quotes mostly do: of text that spans lines only the origin is kept. Quotes within a
line are recognised by the words around them (`_VALUE`).
"""

import json
import re
from collections.abc import Mapping

_LONGEST = 600
_HEAD = 200
"""Characters kept from the beginning of a text that is too long. The rest is kept from its end, where the cause is."""
_CONTENT = "…"

_CONFIG = re.compile(r"`\n(?P<config>.*)\n`(?=: )", re.DOTALL)
_ORIGIN = re.compile(r"^(?:path|name): [\w./-]{1,253}$", re.MULTILINE)
_LINE = re.compile(r"^line \d+: \S")
_LIST_FOLLOWS = ("unmarshal errors:",)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VALUE = re.compile(
    "|".join(
        (
            r"(?<=line \[)[\d ]+(?=\])",
            r"(?<=utf8 bytes : ).*",
            r"(?<=literal sources \[).*?(?=\]: |$)",
            r"(?<=literal source \[).*?(?=\]: |$)",
            r"(?<=invalid literal source ).*?(?=, expected key=value$|$)",
            r"(?<=for value ).*",
            r"(?<=in object ).*?(?='?: must build|$)",
            r"(?<=node contents:).*",
            r"(?<=unknown anchor ').*(?=' referenced)",
            r"(?<=cannot unmarshal )!!\w+ `.*?(?= into [\w.*\[\]]+$|$)",
            rf"(?<=\bsource ){_QUOTED}",
            rf"(?<=\bparsing ){_QUOTED}",
            rf"(?<=\[patch: ){_QUOTED}",
            rf"(?<=invalid label value: ){_QUOTED}",
            r'"(?:[^"\\]|\\.)*\\n(?:[^"\\]|\\.)*"',
        )
    )
)
_OBJECT_ID = re.compile(
    r'resid\.ResId\{Gvk:resid\.Gvk\{Group:"(?P<group>[^"]*)",.*?Kind:"(?P<kind>[^"]*)".*?\}, Name:"(?P<name>[^"]*)", '
    r'Namespace:"(?P<namespace>[^"]*)"\}'
)
_POINTER = re.compile(r"\s*&\{0x[0-9a-f]+ <nil>\}")
_NO_NAMESPACE = re.compile(r"\.\[no(?:Ns|Grp|Ver)\]")
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]+"
)


def describe(errors: str, tree: str) -> str:
    """The message for what kustomize wrote to its standard error; empty if that is nothing. `tree`: the directory that
    the files of the config repo were built in.
    """
    output = "\n".join(line for line in errors.splitlines() if not line.startswith("# Warning")).strip()
    start = re.search(r"^Error:", output, re.MULTILINE)
    words = output[start.end() if start else 0 :].strip()
    words = _OBJECT_ID.sub(_format_id, _POINTER.sub("", _replace_objects(_keep_first_line(words))))
    words = _NO_NAMESPACE.sub("", _VALUE.sub(_CONTENT, words))
    words = words.replace(f"{tree}/", "").replace(tree, ".")
    return _shorten(" ".join(_UNPRINTABLE.sub(" ", words).split()))


def _keep_first_line(words: str) -> str:
    """Keeps the first line. Replaces a quoted configuration by its origin."""
    config = _CONFIG.search(words)
    if config is not None:
        origin = ", ".join(_ORIGIN.findall(config["config"])) or _CONTENT
        words = f"{words[: config.start()]}({origin}){words[config.end() :]}"
    first, *rest = words.split("\n")
    listed = [line.strip() for line in rest if _LINE.match(line.strip())] if first.endswith(_LIST_FOLLOWS) else []
    if listed:
        return f"{first} {'; '.join(_VALUE.sub(_CONTENT, line) for line in listed)}"
    return f"{first} {_CONTENT}" if "".join(rest).strip() else first


def _replace_objects(words: str) -> str:
    """Replaces objects quoted as JSON by their kinds and names."""
    kept, start = "", words.find('{"')
    while start >= 0:
        try:
            found, length = json.JSONDecoder().raw_decode(words[start:])
        except ValueError:
            return f"{kept}{words[:start]}{_CONTENT}"
        kept += words[:start] + _object_name(found)
        words = words[start + length :]
        start = words.find('{"')
    return kept + words


def _object_name(found: object) -> str:
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(metadata, Mapping):
        return _CONTENT
    return f"{found.get('kind')}/{metadata.get('name')}"


def _format_id(found: re.Match[str]) -> str:
    kind = ".".join(filter(None, (found["kind"], found["group"])))
    return "/".join(filter(None, (kind, found["namespace"], found["name"])))


def _shorten(words: str) -> str:
    if len(words) <= _LONGEST:
        return words
    return f"{words[:_HEAD]} {_CONTENT} {words[_HEAD + 3 - _LONGEST :]}"
