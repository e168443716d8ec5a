"""Text from outside before it is shown: invisible characters, credentials, length, links."""

import pytest

from gitops.status_page.safe_text import clean, web_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 of 3 replicas", "1 of 3 replicas"),
        ("  two\r\nlines \n", "two\nlines"),
        ("tab\there", "tab here"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("a\u200bb\ufeffc\u2066d", "a\ufffdb\ufffdc\ufffdd"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("状态 🖨 é", "状态 🖨 é"),
        ("fatal: https://bot:hunter2@git.example/x.git failed", "fatal: https://***@git.example/x.git failed"),
        ("ssh://git@git.example/x and http://t0ken@h/y", "ssh://***@git.example/x and http://***@h/y"),
    ],
)
def test_clean_text_has_no_invisible_characters_or_credentials(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_clean_text_is_bounded() -> None:
    assert clean("x" * 1_000_000, 50) == "x" * 50 + "…"
    assert clean("x" * 50, 50) == "x" * 50
    assert clean(" " * 500 + "x", 50).endswith("…")


def test_clean_text_has_no_credential_after_a_cut() -> None:
    assert "hunter2" not in clean("x" * 80 + " https://bot:hunter2" + "y" * 500 + "@git.example/", 100)


@pytest.mark.parametrize("address", ["https://git.example/a/commit/0f", "http://127.0.0.1:3000/a?b=c#d"])
def test_web_addresses_may_be_followed(address: str) -> None:
    assert web_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example/",
        "/relative",
        "file:///etc/passwd",
        "https://user:secret@git.example/",
        "https://git.example\\@evil.example/",
        "https://git.example/\u202e",
        'https://git.example/"onmouseover="x',
        "https://[broken/",
        "https:///nohost",
        "https://git.example/" + "x" * 3_000,
        "",
    ],
)
def test_web_addresses_of_other_forms_never_become_links(address: str) -> None:
    assert web_address(address) == ""
