"""Logs as events with keys: JSON lines that Fluent Bit and Elasticsearch can read, and text for a terminal.

JSON lines use the names of the Elastic Common Schema; Lockstep's own keys begin with `lockstep.`. A key always has the
same type, because an index refuses a second one: the keys in NUMBERS are numbers, all others text.
https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html
"""

import base64
import json
import logging
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, WrappedLogger

NUMBERS = frozenset(
    {"attempt", "bytes", "commits", "count", "depth", "events", "objects", "overlays", "port", "retry_after", "seconds"}
    | {"status", "writes"}
)
"""Keys whose values are numbers. A new one is added here, or its values become text."""

_LONGEST_VALUE = 16 * 1024
_SHORTEST_SECRET = 4
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s'\"]+@")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NAMES = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "logger": "log.logger",
    "event": "message",
    "exception": "error.stack_trace",
    "thread": "process.thread.name",
}
"""structlog's name -> ECS's."""

Secrets = Callable[[], Iterable[str]]
"""Returns the current secret values."""


@dataclass(frozen=True, slots=True)
class LogOutput:
    """The stream and the form of the lines. `style` is json, console, or auto (console on a terminal). `service` names
    the installation in every JSON line. Values of `secrets` are replaced wherever they appear.
    """

    stream: TextIO
    service: str
    level: str = "info"
    style: str = "auto"
    secrets: Secrets = tuple


def configure(output: LogOutput) -> None:
    """Sends everything through one handler: structlog, the standard library's loggers (waitress, apscheduler, urllib3,
    kubernetes), warnings, and exceptions that end a thread.
    """
    shared = _common_processors()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(output.stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_final_processors(output))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(output.level.upper())
    _quieten()
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_death


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, in plain, base64 or percent encoding, and without user information in URLs."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            for form in _forms(secret):
                text = text.replace(form, "***")
    return _USER_IN_URL.sub("***@", text)


def _common_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def _final_processors(output: LogOutput) -> list[Any]:
    drop_internals = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    redactor = _Redactor(output.secrets)
    if _is_console(output):
        console = structlog.dev.ConsoleRenderer(
            colors=output.stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        return [drop_internals, structlog.processors.format_exc_info, redactor, _one_line, console]
    return [drop_internals, structlog.processors.format_exc_info, _Ecs(output.service), redactor, _as_json]


def _is_console(output: LogOutput) -> bool:
    return output.style == "console" or (output.style == "auto" and output.stream.isatty())


def _quieten() -> None:
    """Silences libraries that log once per request or per poll. Queue depth is a metric."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    for name in ("urllib3", "kubernetes", "git", "apscheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    name = death.thread.name if death.thread else "unknown"
    error = death.exc_value or death.exc_type()
    structlog.get_logger(__name__).error("thread died", thread=name, exc_info=error)


class _Handler(logging.StreamHandler[TextIO]):
    """Formats a line before it takes the lock to write. After a burst a thousand threads log at the same moment; each
    would wait until all threads before it have formatted theirs.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        try:
            line = self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - as logging itself does: a line that cannot be formatted ends no thread
            self.handleError(record)
            return False
        self.acquire()
        try:
            self.stream.write(line)
            self.flush()
        except Exception:  # noqa: BLE001
            self.handleError(record)
        finally:
            self.release()
        return True


class _Ecs:
    """Names and types of the Elastic Common Schema."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        line: EventDict = {"@timestamp": event.pop("timestamp", "")}
        line["log.level"] = str(event.pop("level", "info"))
        line["message"] = str(event.pop("event", ""))
        line["service.name"] = self._service
        for key, value in event.items():
            if value is not None:
                name, typed = _convert(key, value)
                line[name] = typed
        return line


def _convert(key: str, value: Any) -> tuple[str, str | int | float]:
    """The ECS name of a key, and its value in the key's type."""
    if key in _NAMES:
        return _NAMES[key], str(value)
    name = f"lockstep.{key}"
    if key in NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (name, value) if is_number else (f"{name}_text", str(value))
    if isinstance(value, str):
        return name, value
    if isinstance(value, dict | list | tuple | set | frozenset):
        return name, json.dumps(_sort_sets(value), ensure_ascii=False, default=str)
    return name, str(value)


def _sort_sets(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


class _Redactor:
    """Removes secrets from every text of a line, and cuts long texts."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        secrets = list(self._secrets())
        return {key: self._clean(value, secrets) for key, value in event.items()}

    def _clean(self, value: Any, secrets: Collection[str]) -> Any:
        if isinstance(value, bool | int | float) or value is None:
            return value
        text = redact(value if isinstance(value, str) else repr(value), secrets)
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"


@lru_cache(maxsize=64)
def _forms(secret: str) -> Collection[str]:
    """The forms that a secret has in the messages of other programs. Longest first."""
    encoded = base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode("ascii")
    forms = {secret, encoded, encoded.rstrip("="), quote(secret, safe="", errors="surrogateescape")}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    if secret.startswith(("Bearer ", "Basic ")):
        forms.add(secret.rsplit(maxsplit=1)[-1])
    return sorted(forms, key=len, reverse=True)


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # ASCII only: no collector has to guess an encoding, and no lone surrogate ends the line.
    return json.dumps(event)


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces control characters: text from outside must not move a terminal's cursor."""
    return {
        key: _CONTROL.sub("�", value) if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }
