"""Log lines as JSON for a collector and as text on a terminal: names, types, secrets, limits."""

import base64
import io
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from gitops.runtime import logs as telemetry
from gitops.runtime.logs import LogOutput

Configure = Callable[..., io.StringIO]
SECRET = "p@ss/word=+1"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Return `logs.configure` for a stream. Restores the global logging state after the test."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    levels = {
        name: logging.getLogger(name).level
        for name in ("waitress.queue", "urllib3", "kubernetes", "git", "apscheduler")
    }

    def to(stream: io.StringIO | None = None, **output: Any) -> io.StringIO:
        stream = stream or io.StringIO()
        telemetry.configure(LogOutput(stream, "lockstep", **output))
        return stream

    yield to
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers, threading.excepthook = handlers, hook
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = lines(stream)
    return line


def log() -> Any:
    return structlog.get_logger("gitops.test")


def fail(message: str) -> None:
    raise ValueError(message)


def test_log_line_is_one_json_object_with_ecs_names(configure: Configure) -> None:
    stream = configure()
    with bound_contextvars(environment="dev", delivery="body-1"):
        log().info("overlay synced", seconds=0.25, count=3, revision=None)
    line = only(stream)
    assert line.pop("@timestamp").endswith("Z")
    assert line == {
        "log.level": "info",
        "message": "overlay synced",
        "service.name": "lockstep",
        "log.logger": "gitops.test",
        "lockstep.environment": "dev",
        "lockstep.delivery": "body-1",
        "lockstep.seconds": 0.25,
        "lockstep.count": 3,
    }


def test_log_key_has_one_type_whatever_is_logged(configure: Configure) -> None:
    stream = configure()
    values = ["x", 1, 1.5, True, ["a", 1], {"b": 2}, {"s"}, ValueError("v"), b"bytes", 10**30]
    for value in values:
        log().info("typed", anything=value, count=value)
    kinds: dict[str, set[str]] = {}
    for line in lines(stream):
        for key, value in line.items():
            kinds.setdefault(key, set()).add("number" if isinstance(value, int | float) else type(value).__name__)
    assert kinds["lockstep.anything"] == {"str"}
    assert kinds["lockstep.count"] == {"number"}
    assert all(len(found) == 1 for found in kinds.values())


def test_log_lines_of_libraries_have_the_same_form(configure: Configure) -> None:
    stream = configure()
    logging.getLogger("waitress").warning("client %s left", "10.0.0.1")
    logging.getLogger("apscheduler.executors").error("job %r failed", "poll")
    logging.getLogger("urllib3.connectionpool").info("not news")
    logging.getLogger("waitress.queue").warning("Task queue depth is 7")
    assert [(line["log.logger"], line["message"]) for line in lines(stream)] == [
        ("waitress", "client 10.0.0.1 left"),
        ("apscheduler.executors", "job 'poll' failed"),
    ]


def test_exception_is_one_log_line_with_its_stack(configure: Configure) -> None:
    stream = configure()
    try:
        fail("broken\nin two lines")
    except ValueError:
        log().exception("pass failed")
        logging.getLogger("flask").exception("again")
    ours, theirs = lines(stream)
    for line in (ours, theirs):
        assert "ValueError: broken" in line["error.stack_trace"]
        assert line["log.level"] == "error"


def test_thread_death_and_warnings_are_logged(configure: Configure) -> None:
    stream = configure()

    def die() -> None:
        raise RuntimeError("watcher gone")

    thread = threading.Thread(target=die, name="watcher")
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", stacklevel=1)
    died, warned = lines(stream)
    assert (died["message"], died["process.thread.name"]) == ("thread died", "watcher")
    assert "watcher gone" in died["error.stack_trace"]
    assert "old habit" in warned["message"]


def test_log_level_hides_lines_below_it(configure: Configure) -> None:
    stream = configure(level="warning")
    log().info("quiet")
    log().warning("loud")
    assert only(stream)["message"] == "loud"


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_are_replaced_in_every_form_and_place(configure: Configure, style: str) -> None:
    stream = configure(style=style, secrets=lambda: [SECRET, "", "x"])
    encoded = base64.b64encode(SECRET.encode()).decode()
    try:
        fail(f"remote said {SECRET}")
    except ValueError:
        log().exception(f"push to https://bot:{SECRET}@git/x failed", argv=["git", f"-c{encoded}"], text=SECRET)
    logging.getLogger("git").warning("cmdline: %s %s", encoded, "https://bot:p%40ss%2Fword%3D%2B1@git/x")
    log().info("nested", value={"header": f"Basic {encoded}", "again": {"deep": SECRET}}, error=ValueError(SECRET))
    shown = stream.getvalue()
    for form in (SECRET, encoded, encoded.rstrip("="), "p%40ss", "bot:"):
        assert form not in shown
    assert "***" in shown
    assert "x" in shown, "what is too short to be a secret stays"


def test_secrets_are_replaced_as_soon_as_they_are_known(configure: Configure) -> None:
    secrets: list[str] = []
    stream = configure(secrets=lambda: secrets)
    log().info("before rotated-1")
    secrets.append("rotated-1")
    log().info("after rotated-1")
    assert [line["message"] for line in lines(stream)] == ["before rotated-1", "after ***"]


def test_secrets_include_the_token_of_an_authorization_header(configure: Configure) -> None:
    stream = configure(secrets=lambda: ["Bearer receiver-token-2"])
    log().info("sent receiver-token-2")
    assert only(stream)["message"] == "sent ***"


def test_log_values_that_are_long_are_cut(configure: Configure) -> None:
    stream = configure()
    log().info("refused", answer="x" * 1_000_000)
    assert len(stream.getvalue()) < 20_000
    assert only(stream)["lockstep.answer"].endswith("(1000000 characters)")


def test_log_text_from_outside_makes_no_second_line_and_stays_ascii(configure: Configure) -> None:
    stream = configure()
    log().info("a\n{}", ref="x\r\n{}\u2028\u2029\udc80")
    assert len(stream.getvalue().splitlines()) == 1
    assert stream.getvalue().isascii()


def test_console_style_is_the_default_on_a_terminal(configure: Configure) -> None:
    stream = configure(Terminal())
    log().info("overlay synced\x1b[2J\r\nfake", environment="dev\x1b]0;x\x07")
    (line,) = stream.getvalue().splitlines()
    assert "overlay synced" in line
    assert "environment" in line
    assert "\x1b[2J" not in line
    assert "\x07" not in line


def test_json_style_can_be_chosen_on_a_terminal(configure: Configure) -> None:
    stream = configure(Terminal(), style="json")
    log().info("x")
    assert only(stream)["message"] == "x"
