"""Configuration files inside an object, setting by setting."""

import pytest

from gitops.core.config_repo.variations import SettingsFormat
from gitops.core.contract.variations import settings_files as settings
from gitops.core.errors import Rejected
from tests.worlds.surveys import check_alone, config, contract


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("yaml", "a:\n  b: 1\n  c: [x, {d: 2}]\na.e: f\n", {"a.b": 1, "a.c[0]": "x", "a.c[1].d": 2, "a.e": "f"}),
        ("yaml", "", {}),
        ("properties", "# c\n! c\na.b=1\nc : d e\nf g\\\n  h\n", {"a.b": "1", "c": "d e", "f": "gh"}),
        ("env", "# c\nA=1\nexport B='x y'\nC=\n", {"A": "1", "B": "x y", "C": ""}),
    ],
)
def test_settings_of_a_file(form: SettingsFormat, text: str, expected: dict[str, object]) -> None:
    assert settings.parse_settings(text, form) == expected


@pytest.mark.parametrize(
    ("form", "text"), [("yaml", "a: [1\n"), ("yaml", "just a word"), ("env", "no assignment here"), ("yaml", "a: !x 1")]
)
def test_settings_errors_show_the_line_and_no_value(form: SettingsFormat, text: str) -> None:
    with pytest.raises(Rejected) as caught:
        settings.parse_settings(text, form)
    assert caught.value.reason == "UnreadableSettings"
    assert "no assignment" not in caught.value.message


def test_settings_files_are_compared_setting_by_setting() -> None:
    rules = contract("[{field: '/data/app.yml/db.url', format: yaml}, {field: /data/app.yml, format: yaml}]")
    assert check_alone(config(**{"app.yml": "db: {url: x}"}), config(**{"app.yml": "db.url: y"}), rules) == []


def test_settings_files_that_cannot_be_parsed_are_a_violation() -> None:
    rules = contract("[{field: '/data/*', format: yaml}]")
    assert ("UnreadableSettings", "forbid", "/data/app.yml") in check_alone(
        config(**{"app.yml": "a: ["}), config(), rules
    )
