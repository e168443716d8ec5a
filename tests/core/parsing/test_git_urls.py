"""Which URLs name the same repository, and which only look like it."""

import pytest

from gitops.core.parsing import git_urls

HOME = "https://git.example.internal/platform/config.git"
ALIKE = [
    HOME,
    "https://git.example.internal/platform/config",
    "https://git.example.internal/platform/config/",
    "https://Git.Example.INTERNAL/platform/config.git",
    "https://git.example.internal:443/platform/config.git",
    "http://git.example.internal/platform/config.git",
    "http://git.example.internal:80/platform/config.git",
    "https://bot@git.example.internal/platform/config.git",
    "https://bot:x@git.example.internal/platform/config.git",
]
LOOK_ALIKE = [
    "https://git.example.internal:8443/platform/config.git",
    "https://git.example.internal.evil.example/platform/config.git",
    "https://git.example.internal@evil.example/platform/config.git",
    "https://a@git.example.internal@evil.example/platform/config.git",
    "https://evil.example/git.example.internal/platform/config.git",
    "https://git.example.internal/Platform/config.git",
    "https://git.example.internal/platform/config.git.git",
    "https://git.example.internal/platform/config2.git",
    "https://git.example.internal/x/../platform/config.git",
    "https://git.example.internal/platform//config.git",
    "https://git.example.internal/platform%2Fconfig.git",
    "https://git.example.internal/platform/config.git?x",
    "https://git.example.internal/platform/config.git#x",
    "https://git.example.internal\\platform\\config.git",
    "https://gіt.example.internal/platform/config.git",  # a Cyrillic letter
    "https://git。example.internal/platform/config.git",
    "https://git.example.internal./platform/config.git",
    "https://git.example.internal/platform/config.git\n",
    " https://git.example.internal/platform/config.git",
    "ssh://git.example.internal/platform/config.git",
    "file:///platform/config.git",
    "ftp://git.example.internal/platform/config.git",
    "ext::sh -c touch% x",
    "--upload-pack=touch x",
    "-oProxyCommand=x@git.example.internal:platform/config",
    "",
    "https://git.example.internal/" + "x" * 3000,
]


@pytest.mark.parametrize("url", ALIKE)
def test_git_url_ignores_user_scheme_port_suffix_and_case_of_the_host(url: str) -> None:
    assert git_urls.parse(url) == git_urls.parse(HOME)


@pytest.mark.parametrize("url", LOOK_ALIKE)
def test_git_url_a08_depends_on_everything_else(url: str) -> None:
    home = git_urls.parse(HOME)
    assert home is not None
    assert not git_urls.names_any([url], {home})


def test_git_url_forms_of_ssh() -> None:
    assert git_urls.parse("git@h:a/b.git") == git_urls.parse("ssh://git@h/a/b") == git_urls.parse("ssh://h:22/a/b")
    assert git_urls.parse("ssh://git@h:2222/a/b") != git_urls.parse("git@h:a/b")


def test_git_url_forms_of_a_path() -> None:
    assert git_urls.parse("/srv/config.git") == git_urls.parse("file:///srv/config.git")
    assert git_urls.parse("/srv/项目/config.git") is not None


def test_git_url_names_any_of_several_repositories() -> None:
    home = git_urls.parse(HOME)
    assert home is not None
    assert git_urls.names_any(["https://elsewhere/x", "HTTPS://x", ALIKE[1]], {home})
    assert not git_urls.names_any([], {home})
