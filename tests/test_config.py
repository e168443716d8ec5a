"""lockstep.yaml: what is read, and what is said about mistakes."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gitops import config
from gitops.core.errors import Rejected

ROOT = Path(__file__).parent.parent
MINIMAL = "repo: {url: https://git.example.internal/platform/config.git}\n"


def write(directory: Path, text: str) -> Path:
    path = directory / "lockstep.yaml"
    path.write_text(text)
    return path


def mistakes(directory: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        config.load(write(directory, text), environ or {})
    assert caught.value.reason == "InvalidConfiguration"
    return str(caught.value).removeprefix(f"{directory}/")


def test_the_published_schema_is_fresh() -> None:
    """If not: python -c "from gitops import config; print(config.schema(), end='')" > docs/lockstep.schema.json"""
    assert (ROOT / "docs/lockstep.schema.json").read_text() == config.schema()


def test_the_documented_example_is_valid_and_says_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/harbor").write_text("x\n")
    text = (ROOT / "docs/lockstep.yaml").read_text()
    example = config.load(write(tmp_path, text), {"GIT_HOOK_SECRET": "y"})
    minimal = config.load(write(tmp_path, MINIMAL), {})
    shown = {"repo", "senders"}
    assert example.model_dump(exclude=shown) == minimal.model_dump(exclude=shown)
    assert example.senders["git-host"].rate == config.Rate()
    for name in config.Config.model_fields:
        assert f"\n{name}:" in text or f"\n# {name}:" in text, f"docs/lockstep.yaml does not show {name}"


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    text = MINIMAL + "state: state\nkustomize: /usr/bin/kustomize\ncluster: {kubeconfig: kube/config}\n"
    loaded = config.load(write(tmp_path, text), {})
    assert loaded.cluster is not None
    assert (loaded.state, loaded.cluster.kubeconfig) == (tmp_path / "state", tmp_path / "kube/config")
    assert loaded.kustomize == Path("/usr/bin/kustomize")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 0.5), ("2.5s", 2.5), ("5m", 300), ("1h", 3600), ("1d", 86400)],
)
def test_durations_carry_their_unit(tmp_path: Path, text: str, expected: float) -> None:
    assert config.load(write(tmp_path, MINIMAL + f"poll: {text}\n"), {}).poll == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["5", "5 s", "s", "-1s", "1e9s", "1w", "[]", '"５s"'])
def test_a_duration_without_a_unit_says_how_to_write_one(tmp_path: Path, text: str) -> None:
    assert "lockstep.yaml:2: poll: write a number and a unit" in mistakes(tmp_path, MINIMAL + f"poll: {text}\n")


def test_addresses(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, MINIMAL + 'listen: {webhooks: "[::]:80", page: "0.0.0.0:0"}\n'), {})
    assert loaded.listen.webhooks == config.Address(host="::", port=80)
    assert loaded.listen.page == config.Address(host="0.0.0.0", port=0)
    assert loaded.listen.metrics == config.Address(host="127.0.0.1", port=8082)
    assert "write host:port" in mistakes(tmp_path, MINIMAL + "listen: {page: 8080}\n")
    assert "write host:port" in mistakes(tmp_path, MINIMAL + "listen: {page: 'x:99999'}\n")


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c x", "--upload-pack=x", "https://git.example.internal", "ftp://x/y", "config", "https://a@b@c/d", ""],
)
def test_a_url_that_git_should_not_see_is_refused(tmp_path: Path, url: str) -> None:
    assert "lockstep.yaml:2: repo.url: write an https://" in mistakes(tmp_path, f"repo:\n  url: '{url}'\n")


def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "repo:\n  url: https://bot:hunter2@git.example.internal/x.git\n")
    assert "take the password out" in said
    assert "hunter2" not in said


def test_every_mistake_is_named_with_its_line_in_one_go(tmp_path: Path) -> None:
    text = """\
repo:
  url: https://git.example.internal/x.git
  trunk: --upload
senders:
  harbor:
    kind: harbour
    secrets: []
  Bad_Name:
    kind: github
workers: 0
lissten: {}
"""
    said = mistakes(tmp_path, text)
    assert said.startswith("lockstep.yaml:3: repo.trunk: write the name of a branch")
    for part in (
        "line 6: senders.harbor.kind: Input should be 'harbor' or 'github'",
        "line 7: senders.harbor.secrets: ",
        "line 8: senders.Bad_Name",
        "line 10: workers: ",
        "line 11: lissten: unknown field; see docs/lockstep.schema.json",
    ):
        assert part in said


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    said = mistakes(tmp_path, MINIMAL + "senders:\n  harbor:\n    kind: harbor\n    secrets:\n      - hunter2\n")
    assert "lockstep.yaml:6: senders.harbor.secrets.0: write fields here" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("source", ["{}", "{file: a, env: B}"])
def test_a_secret_is_in_one_place(tmp_path: Path, source: str) -> None:
    said = mistakes(tmp_path, MINIMAL + f"senders: {{h: {{kind: harbor, secrets: [{source}]}}}}\n")
    assert "give either `file:` or `env:`" in said


def test_a_secret_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    text = MINIMAL + "senders:\n  h:\n    kind: harbor\n    secrets: [{file: gone}, {env: NOT_SET}]\n"
    said = mistakes(tmp_path, text)
    assert said.startswith(f"lockstep.yaml:5: senders.h.secrets: file {tmp_path}/gone is empty or cannot be read")
    assert "environment variable NOT_SET is empty" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("repo: {url: [\n", "is not YAML"),
        ("", "repo: is missing"),
        ("- a\n", "the file: "),
        (
            "repo: !!python/object:os.system {}\n",
            "lockstep.yaml:1: the tag `tag:yaml.org,2002:python/object:os.system`",
        ),
        ("[" * 5_000, "lockstep.yaml:1: is nested deeper than"),
        ("a: &a [*a]\n", "lockstep.yaml:1: the alias *a holds itself"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join(['*a' + (str(n - 1) if n else '')] * 9)}]\n" for n in range(8)),
            "values once its aliases are expanded",
        ),
        ("name: 2001-99-99\nport: " + "1" * 5_000, "lockstep.yaml:2: not a number"),
        ("name: !!timestamp x\n", "repo: is missing"),
        ("name: \0\n", "characters that YAML does not allow"),
        (MINIMAL + "poll: 5s\npoll: 6s\n", "lockstep.yaml:3: the key `poll` stands here twice"),
    ],
)
def test_a30_what_is_no_configuration_is_said_so(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in mistakes(tmp_path, text)


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="--config"):
        config.load(tmp_path / "nowhere.yaml", {})


def test_a_file_that_is_not_utf8_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "lockstep.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Rejected, match="UTF-8"):
        config.load(tmp_path / "lockstep.yaml", {})


def test_every_name_of_the_repo_is_known(tmp_path: Path) -> None:
    text = "repo: {url: https://h/a/b.git, aliases: ['ssh://git@h:2222/a/b.git']}\n"
    assert len(config.load(write(tmp_path, text), {}).repo.remotes()) == 2


def sender(tmp_path: Path) -> tuple[config.Sender, Path]:
    file = tmp_path / "secret"
    file.write_text("first\n")
    text = MINIMAL + "senders: {h: {kind: harbor, secrets: [{file: secret}, {env: OTHER}]}}\n"
    return config.load(write(tmp_path, text), {"OTHER": "hunter2"}).senders["h"], file


def test_a_rotated_secret_counts_at_once(tmp_path: Path) -> None:
    one, file = sender(tmp_path)
    secrets = one.current_secrets({"OTHER": "hunter2"})
    assert set(secrets()) == {b"first", b"hunter2"}
    replacement = tmp_path / "next"
    replacement.write_text("third")
    replacement.rename(file)
    assert set(secrets()) == {b"third", b"hunter2"}
    file.unlink()
    assert set(secrets()) == {b"third", b"hunter2"}
    file.write_text(" \n")
    assert set(secrets()) == {b"hunter2"}


def test_a_kubernetes_secret_volume_rotates_by_symlinks(tmp_path: Path) -> None:
    for version, value in (("..1", "first"), ("..2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "secret").write_text(value)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "secret").symlink_to("..data/secret")
    one = config.Sender(kind="harbor", secrets=(config.SecretSource(file=tmp_path / "secret"),))
    secrets = one.current_secrets({})
    assert secrets() == (b"first",)
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert secrets() == (b"other",)


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    one, _ = sender(tmp_path)
    secrets = one.current_secrets({"OTHER": "hunter2"})
    secrets()
    shown = f"{one!r} {secrets!r} {vars(secrets)} {one.model_dump()} {json.dumps(one.model_dump(mode='json'))}"
    assert "first" not in shown
    assert "hunter2" not in shown


def test_what_a_file_holds_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(os.urandom(16) * 1024 * 1024)
    one = config.Sender(kind="harbor", secrets=(config.SecretSource(file=tmp_path / "secret"),))
    assert all(len(secret) <= 4096 for secret in one.current_secrets({})())
