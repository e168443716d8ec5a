"""Pydantic models of Lockstep's own YAML files. Errors name file, line and field, and never quote a value."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.parsing import git_urls, regex, yaml_reader
from gitops.core.parsing.yaml_reader import Document

_MOST_SHOWN = 5
_CHECKED = "checked"


class StrictModel(BaseModel):
    """Base of every file model: immutable. An unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


_M = TypeVar("_M", bound=StrictModel)


def read(text: bytes, file: str, model: type[_M], reason: str, *, checked: bool = False) -> _M:
    """Parses one YAML document into a model. `checked`: the same text was valid before, so its regular expressions are
    not compiled again.

    Raises: Rejected(reason) at the first error, with up to five errors in its message; Rejected(InvalidYaml,
    LimitExceeded).
    """
    document = yaml_reader.document(text, file)
    try:
        return model.model_validate_json(json.dumps(document.value), context={_CHECKED: checked})
    except ValidationError as error:
        raise to_rejected(document, error, reason) from None


def json_schema(model: type[StrictModel], title: str) -> str:
    """The JSON Schema of a file, for editors (`# yaml-language-server: $schema=...`)."""
    found = model.model_json_schema(by_alias=True)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = title
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def error_at(message: str, *path: str | int) -> PydanticCustomError:
    """The error that a model's validator raises at another place: `path` leads there from the root of the file."""
    return PydanticCustomError("error_at", "{message}", {"message": message, "path": path})


def to_rejected(document: Document, error: ValidationError, reason: str) -> Rejected:
    """Translates pydantic's error into the field names and lines of the file."""
    findings = sorted(
        ((document.place(_path_of(found)), _describe(document, found)) for found in error.errors(include_input=False)),
        key=lambda finding: finding[0].line or 0,
    )
    (place, first), rest = findings[0], findings[1:_MOST_SHOWN]
    message = "; ".join([first, *(f"line {where.line}: {sentence}" for where, sentence in rest)])
    left_out = len(findings) - _MOST_SHOWN
    return Rejected(reason, message + (f"; and {left_out} more" if left_out > 0 else ""), place=place)


def _describe(document: Document, found: Any) -> str:
    if found["type"] == "error_at":
        return str(found["msg"])
    path = _path_in_file(document, found["loc"])
    if found["type"] == "extra_forbidden":
        return f"unknown field `{path}`"
    if found["type"] == "missing":
        return f"`{'.'.join(filter(None, (path, str(found['loc'][-1]))))}` is missing"
    if found["type"] in {"string_too_long", "too_long"}:
        unit = "characters" if found["type"] == "string_too_long" else "entries"
        return f"`{path}` must have at most {found['ctx']['max_length']} {unit}"
    words = found["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if found["type"] == "string_type":
        words += ' (put it in quotes: "...")'
    return f"`{path}` {words}" if path else words


def _path_of(found: Any) -> tuple[str | int, ...]:
    return tuple((found.get("ctx") or {}).get("path") or found["loc"])


def _path_in_file(document: Document, location: Sequence[str | int]) -> str:
    """The parts of a pydantic location that are in the file. The other parts are names of union members."""
    known: list[str] = []
    below = document.lines[1]
    for segment in location:
        if below is not None and segment in below:
            known.append(str(segment))
            below = below[segment][1]
    return ".".join(known)


_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?")
_CRON_FIELD = r"[0-9A-Za-z*/,-]+"
_CRON = re.compile(rf"{_CRON_FIELD}(?: +{_CRON_FIELD}){{4}}")
_SAFE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def is_name(text: str) -> bool:
    """True for a DNS label (RFC 1123), without dots: the names of environments, services and overlay directories."""
    return _NAME.fullmatch(text) is not None


def parse_duration(text: Any) -> Any:
    """Parses `90s`, `5m`, `1h30m`, `2d`. Raises: ValueError for anything else."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError("must be a duration such as 90s, 5m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text of a duration: 5400 seconds -> `1h30m`."""
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def parse_moment(text: str) -> datetime | None:
    """Parses a time of a commit trailer (ISO 8601 with an offset); None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def require(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


def _check_image(text: str) -> str:
    if not images.is_name(text) or "/" not in text:
        raise ValueError("must be an image name with its registry host and without a tag: harbor.example/project/app")
    return text


def _check_timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is not a time zone, such as Asia/Shanghai or UTC") from error
    return text


def _check_cron(text: str) -> str:
    """Checks that the expression ever matches: `0 25 * * *` never does."""
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"names no moment: {error}" if str(error) else "names no moment, ever") from error
    return text


def _check_repo_url(text: str) -> str:
    found = git_urls.parse(text)
    if found is None or found.family == "file":
        raise ValueError("must be the URL of a git repository, such as https://git.example/team/app")
    if text.startswith(("https://", "http://")) and "@" in text:
        raise ValueError("must be without user and password: nothing is fetched from there")
    return text


def _as_tuple(found: Any) -> Any:
    if not isinstance(found, (str, list)):
        raise ValueError("must be a text or a list of texts")  # noqa: TRY004 - pydantic reports ValueErrors
    return (found,) if isinstance(found, str) else tuple(found)


def is_checked(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get(_CHECKED))


def _check_expression(text: str, info: ValidationInfo) -> str:
    if not is_checked(info):
        regex.require(text)
    return text


Name = Annotated[str, require(_NAME, "a name of lower-case letters, digits and `-`, at most 63, without dots")]
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$"}),
]
RepoPath = Annotated[str, require(_SAFE_PATH, "a path from the root of the repo, without `..`")]
ImageName = Annotated[str, AfterValidator(_check_image)]
_FIVE_FIELDS = require(_CRON, "five cron fields: minute, hour, day, month, day of week")
Cron = Annotated[str, _FIVE_FIELDS, AfterValidator(_check_cron)]
Timezone = Annotated[str, AfterValidator(_check_timezone)]
Expression = Annotated[str, AfterValidator(_check_expression)]
CommitId = Annotated[str, require(re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?"), "a full commit id")]
RepoUrl = Annotated[str, AfterValidator(_check_repo_url)]
OneOrMore = BeforeValidator(_as_tuple, str | list[str])
"""Accepts a text as a list with one entry."""
Kind = Annotated[str, require(re.compile(r"[A-Z][A-Za-z0-9]*"), "a kind, such as Namespace")]
