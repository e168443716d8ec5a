"""File models: errors with file, line and field, and the types of fields."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import model_validator

from gitops.core.errors import Rejected
from gitops.core.parsing import models
from gitops.core.parsing.models import Cron, Duration, ImageName, Kind, Name, RepoPath, RepoUrl, StrictModel, Timezone


class Fields(StrictModel):
    name: Name = "a"
    every: Duration = timedelta(minutes=5)
    path: RepoPath = "base"
    image: ImageName = "h.example/a"
    cron: Cron = "0 10 * * *"
    timezone: Timezone = "UTC"
    url: RepoUrl = "https://git.example/a"
    kind: Kind = "Pod"
    after: str = ""

    @model_validator(mode="after")
    def _check(self) -> "Fields":
        if self.after == self.name:
            raise models.error_at("comes after itself", "after")
        return self


def message(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        models.read(text.encode(), "f.yaml", Fields, "InvalidFields")
    assert caught.value.reason == "InvalidFields"
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: A", "f.yaml:1: `name` must be a name of lower-case letters"),
        ("{}\n", ""),
        ("\nevery: soon", "f.yaml:2: `every` must be a duration such as 90s"),
        ("path: ../x", "f.yaml:1: `path` must be a path from the root of the repo"),
        ("image: a:1", "f.yaml:1: `image` must be an image name with its registry host"),
        ("cron: '0 25 * * *'", "f.yaml:1: `cron` names no moment"),
        ("cron: '0 10 * *'", "f.yaml:1: `cron` must be five cron fields"),
        ("timezone: Mars/Base", "f.yaml:1: `timezone` is not a time zone"),
        ("url: https://me:hunter2@git.example/a", "f.yaml:1: `url` must be without user and password"),
        ("url: /srv/a", "f.yaml:1: `url` must be the URL of a git repository"),
        ("kind: pod", "f.yaml:1: `kind` must be a kind, such as Namespace"),
        ("name: 7", 'f.yaml:1: `name` must be a valid string (put it in quotes: "...")'),
        ("nmae: a", "f.yaml:1: unknown field `nmae`"),
        ("name: b\nafter: b", "f.yaml:2: comes after itself"),
        ("name: A\nkind: pod", "f.yaml:1: `name` must be a name of lower-case letters, digits and `-`"),
    ],
)
def test_model_errors_name_file_line_and_field(text: str, expected: str) -> None:
    if not expected:
        assert models.read(text.encode(), "f.yaml", Fields, "InvalidFields") == Fields()
        return
    found = message(text)
    assert found.startswith(expected)
    assert "hunter2" not in found


def test_model_errors_come_together_up_to_five() -> None:
    found = message("".join(f"unknown{number}: 1\n" for number in range(7)))
    assert found.count("unknown field") == 5
    assert "; line 2: unknown field `unknown1`" in found
    assert found.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("text", "seconds", "shortest"),
    [("90s", 90, "1m30s"), ("5m", 300, "5m"), ("1h30m", 5400, "1h30m"), ("2d", 172800, "48h"), ("0s", 0, "0s")],
)
def test_duration(text: str, seconds: int, shortest: str) -> None:
    assert models.parse_duration(text) == timedelta(seconds=seconds)
    assert models.format_duration(timedelta(seconds=seconds)) == shortest


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "1m1h", "-5m", None, 5])
def test_duration_errors(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        models.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T16:00:00+08:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00:00", None),
        ("soon", None),
    ],
)
def test_moment_needs_an_offset(text: str, moment: datetime | None) -> None:
    assert models.parse_moment(text) == moment


@pytest.mark.parametrize(
    ("text", "expected"), [("a", True), ("a-1", True), ("a" * 64, False), ("a.b", False), ("", False)]
)
def test_name_is_a_dns_label(text: str, *, expected: bool) -> None:
    assert models.is_name(text) is expected
