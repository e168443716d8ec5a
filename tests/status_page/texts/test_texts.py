"""Every text exists in both languages, is used, and has the same values in both."""

import re
import string
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest

from gitops.core.health import Health
from gitops.core.sync.status import Action, Sync
from gitops.status_page.texts.language import TEXTS, Language, absolute, duration, machine
from gitops.status_page.texts.page_text import PageText
from gitops.status_page.texts.release_texts import RELEASE_TEXTS
from gitops.status_page.texts.status_texts import STATUS_TEXTS

ROOT = resources.files("gitops.status_page")
SOURCES = "".join(
    found.read_text()
    for folder in (ROOT, ROOT.joinpath("views"), ROOT.joinpath("templates", "lockstep"))
    for found in folder.iterdir()
    if found.name.endswith((".py", ".html"))
)
USED = set(re.findall(r"""\bt\(["']([a-z_.]+)["']\s*[,)]""", SOURCES)) | set(
    re.findall(r'timed\("([a-z_.]+)"', SOURCES)
)
FAMILIES = {"word", "action", "ago", "trouble", "summary", "drift.kind", "revision", "stage.when", "deed", "standing"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_texts_have_one_entry_for_each_name() -> None:
    assert len(TEXTS) == len(STATUS_TEXTS) + len(RELEASE_TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_text_exists_in_both_languages_with_the_same_values(name: str) -> None:
    text = TEXTS[name]

    assert text.zh
    assert text.en or name.startswith(("word.", "action."))  # terms such as Synced are English already
    assert not text.en or fields(text.en) == fields(text.zh)


def test_texts_used_by_templates_exist() -> None:
    assert USED - TEXTS.keys() == set()
    assert len(USED) > 50


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_used(name: str) -> None:
    family = name.removesuffix(".hint").rpartition(".")[0]

    assert name in USED or family in FAMILIES or name in {"leader.hint", "follower.hint"} or f'"{name}"' in SOURCES


@pytest.mark.parametrize("word", [*Sync, *Health, "Stalled", "Drifted", "Ready", "Reconciling"])
def test_terms_have_a_chinese_translation_beside_them(word: object) -> None:
    assert Language("zh").known(f"word.{word}")
    assert Language("en").known(f"word.{word}") == ""


@pytest.mark.parametrize("action", Action)
def test_actions_have_a_chinese_translation(action: Action) -> None:
    assert Language("zh").known(f"action.{action}")


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=-90), PageText("just now", "刚刚")),
        (timedelta(seconds=4), PageText("just now", "刚刚")),
        (timedelta(seconds=119), PageText("119 s ago", "119 秒前")),
        (timedelta(minutes=2), PageText("2 min ago", "2 分钟前")),
        (timedelta(hours=2), PageText("2 h ago", "2 小时前")),
        (timedelta(hours=47), PageText("47 h ago", "47 小时前")),
        (timedelta(days=2), PageText("2 d ago", "2 天前")),
    ],
)
def test_ago_in_both_languages(passed: timedelta, said: PageText) -> None:
    now = datetime(2026, 3, 5, tzinfo=UTC)

    assert PageText(Language("en").ago(now - passed, now), Language("zh").ago(now - passed, now)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0123, "12 ms"),
        (1.239, "1.24 s"),
        (20.0, "20 s"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (172800, "2 d"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_absolute_times_are_utc() -> None:
    moment = datetime.fromisoformat("2026-03-05T17:30:05+08:00")

    assert (absolute(moment), machine(moment)) == ("2026-03-05 09:30:05 UTC", "2026-03-05T09:30:05Z")
