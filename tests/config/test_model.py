"""lockstep.yaml: what is read, and the errors with their lines."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.adapters.git.process import check_url
from gitops.config import model as config
from gitops.core.errors import Rejected
from tests import ROOT

MINIMAL = "repo: {url: https://git.example.internal/platform/config.git}\n"


def write(directory: Path, text: str) -> Path:
    path = directory / "lockstep.yaml"
    path.write_text(text)
    return path


def load_error(directory: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        config.load(write(directory, text), environ or {})
    assert caught.value.reason == "InvalidConfiguration"
    return str(caught.value).removeprefix(f"{directory}/")


def test_schema_in_docs_is_up_to_date() -> None:
    """Update: python -c "from gitops.config import model; print(model.schema(), end='')" > docs/lockstep.schema.json"""
    assert (ROOT / "docs/lockstep.schema.json").read_text() == config.schema()


def test_example_in_docs_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("harbor", "harbor-robot-name", "jenkins", "git-token", "git-ca.pem"):
        (tmp_path / "secrets" / name).write_text("x\n")
    text = (ROOT / "docs/lockstep.yaml").read_text()
    example = config.load(write(tmp_path, text), {"GIT_HOOK_SECRET": "y", "HARBOR_ROBOT_SECRET": "z"})
    minimal = config.load(write(tmp_path, MINIMAL), {})
    shown = {"repo", "senders", "registries"}
    assert example.model_dump(exclude=shown) == minimal.model_dump(exclude=shown)
    assert example.senders["git-host"].rate == config.Rate()
    registry = example.registries["harbor.example.internal"]
    assert registry.model_dump(exclude={"url", "username", "password"}) == config.RegistryConfig(
        kind="harbor"
    ).model_dump(exclude={"url", "username", "password"})
    for name in config.Config.model_fields:
        assert f"\n{name}:" in text or f"\n# {name}:" in text, f"docs/lockstep.yaml does not show {name}"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = MINIMAL + "state: state\nkustomize: /usr/bin/kustomize\ncluster: {kubeconfig: kube/config}\n"
    loaded = config.load(write(tmp_path, text), {})
    assert loaded.cluster is not None
    assert (loaded.state, loaded.cluster.kubeconfig) == (tmp_path / "state", tmp_path / "kube/config")
    assert loaded.kustomize == Path("/usr/bin/kustomize")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 0.5), ("2.5s", 2.5), ("5m", 300), ("1h", 3600), ("1d", 86400)],
)
def test_durations_have_a_unit(tmp_path: Path, text: str, expected: float) -> None:
    assert config.load(write(tmp_path, MINIMAL + f"poll: {text}\n"), {}).poll == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["5", "5 s", "s", "-1s", "1e9s", "1w", "[]", '"５s"'])
def test_durations_without_a_unit_are_refused(tmp_path: Path, text: str) -> None:
    assert "lockstep.yaml:2: poll: write a number and a unit" in load_error(tmp_path, MINIMAL + f"poll: {text}\n")


def test_addresses_are_host_and_port(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, MINIMAL + 'listen: {webhooks: "[::]:80", page: "0.0.0.0:0"}\n'), {})
    assert loaded.listen.webhooks == config.Address(host="::", port=80)
    assert loaded.listen.page == config.Address(host="0.0.0.0", port=0)
    assert loaded.listen.metrics == config.Address(host="127.0.0.1", port=8082)
    assert "write host:port" in load_error(tmp_path, MINIMAL + "listen: {page: 8080}\n")
    assert "write host:port" in load_error(tmp_path, MINIMAL + "listen: {page: 'x:99999'}\n")


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c x", "--upload-pack=x", "https://git.example.internal", "ftp://x/y", "config", "https://a@b@c/d", ""],
)
def test_repo_url_of_unknown_form_is_refused(tmp_path: Path, url: str) -> None:
    assert "lockstep.yaml:2: repo.url: write an https://" in load_error(tmp_path, f"repo:\n  url: '{url}'\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://h/x.git",
        "git://h/x.git",
        "https://git@h/x",
        "https://ghp_hunter2@h/x",
        "file://localhost/srv/x.git",
        "https://h/o`x.git",
        "h:path/x",
    ],
)
def test_repo_url_that_the_clone_would_refuse_is_refused_at_the_start(tmp_path: Path, url: str) -> None:
    """The clone has the same rule. An alias is only compared, so it may have any form."""
    with pytest.raises(Rejected):
        check_url(url)
    said = load_error(tmp_path, f"repo:\n  url: '{url}'\n")
    assert "lockstep.yaml:2: repo.url: write an https:// URL" in said
    assert "hunter2" not in said
    if "hunter2" not in url:
        alias = f"repo: {{url: https://h/x.git, aliases: ['{url}']}}\n"
        assert config.load(write(tmp_path, alias), {}).repo.aliases == (url,)


def test_repo_url_with_a_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    said = load_error(tmp_path, "repo:\n  url: https://bot:hunter2@git.example.internal/x.git\n")
    assert "take the password out" in said
    assert "hunter2" not in said


def test_errors_are_all_reported_at_once_with_their_lines(tmp_path: Path) -> None:
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
    said = load_error(tmp_path, text)
    assert said.startswith("lockstep.yaml:3: repo.trunk: write the name of a branch")
    for part in (
        "line 6: senders.harbor.kind: Input should be 'harbor', 'github', 'gitlab', 'gitea'",
        "line 7: senders.harbor.secrets: ",
        "line 8: senders.Bad_Name",
        "line 10: workers: ",
        "line 11: lissten: unknown field; see docs/lockstep.schema.json",
    ):
        assert part in said


def test_secret_written_into_the_file_is_refused_without_showing_it(tmp_path: Path) -> None:
    said = load_error(tmp_path, MINIMAL + "senders:\n  harbor:\n    kind: harbor\n    secrets:\n      - hunter2\n")
    assert "lockstep.yaml:6: senders.harbor.secrets.0: write fields here" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("source", ["{}", "{file: a, env: B}"])
def test_secret_has_exactly_one_source(tmp_path: Path, source: str) -> None:
    said = load_error(tmp_path, MINIMAL + f"senders: {{h: {{kind: harbor, secrets: [{source}]}}}}\n")
    assert "give either `file:` or `env:`" in said


def test_secret_that_is_missing_is_refused_at_the_start(tmp_path: Path) -> None:
    text = MINIMAL + "senders:\n  h:\n    kind: harbor\n    secrets: [{file: gone}, {env: NOT_SET}]\n"
    said = load_error(tmp_path, text)
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
        ("a: &a [*a]\n", "lockstep.yaml:1: the alias *a contains itself"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join(['*a' + (str(n - 1) if n else '')] * 9)}]\n" for n in range(8)),
            "values once its aliases are expanded",
        ),
        ("name: 2001-99-99\nport: " + "1" * 5_000, "lockstep.yaml:2: NaN and infinity do not exist in JSON"),
        ("name: !!timestamp x\n", "repo: is missing"),
        ("name: \0\n", "characters that YAML does not allow"),
        (MINIMAL + "poll: 5s\npoll: 6s\n", "lockstep.yaml:3: duplicate key `poll`"),
    ],
)
def test_a30_invalid_configuration_is_refused_with_its_reason(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in load_error(tmp_path, text)


def test_configuration_file_that_is_missing_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="--config"):
        config.load(tmp_path / "nowhere.yaml", {})


def test_configuration_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lockstep.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Rejected, match="UTF-8"):
        config.load(tmp_path / "lockstep.yaml", {})


def test_repo_remotes_are_the_url_and_its_aliases(tmp_path: Path) -> None:
    text = "repo: {url: https://h/a/b.git, aliases: ['ssh://git@h:2222/a/b.git']}\n"
    assert len(config.load(write(tmp_path, text), {}).repo.remotes()) == 2


def sender(tmp_path: Path) -> tuple[config.SenderConfig, Path]:
    file = tmp_path / "secret"
    file.write_text("first\n")
    text = MINIMAL + "senders: {h: {kind: harbor, secrets: [{file: secret}, {env: OTHER}]}}\n"
    return config.load(write(tmp_path, text), {"OTHER": "hunter2"}).senders["h"], file


SSH = "repo:\n  url: git@git.example:config.git\n  credentials: {key: key, knownHosts: hosts}\n"


def test_repo_credentials_are_read_for_ssh_and_https(tmp_path: Path) -> None:
    for name in ("key", "hosts", "token", "ca"):
        (tmp_path / name).write_text(f"of {name}\n")
    over_ssh = config.load(write(tmp_path, SSH), {}).repo.credentials
    assert over_ssh
    assert (over_ssh.key, over_ssh.known_hosts) == (tmp_path / "key", tmp_path / "hosts")
    https = "repo: {url: https://git.example/config.git, caFile: ca, credentials: {username: bot, token: {%s}}}\n"
    for source, expected in (("file: token", b"of token"), ("env: TOKEN", b"of the environment")):
        repo = config.load(write(tmp_path, https % source), {"TOKEN": "of the environment"}).repo
        assert repo.credentials
        assert repo.credentials.token
        assert (repo.credentials.username, repo.ca_file) == ("bot", tmp_path / "ca")
        assert repo.credentials.token.current()() == (expected,)
        assert "environment" not in f"{repo!r} {repo.model_dump()} {vars(repo.credentials.token)}"


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        ("{url: 'git@git.example:config.git'}", "lockstep.yaml:1: repo: an ssh URL needs `credentials: {key: …"),
        ("{url: 'ssh://git@h/c', credentials: {key: key}}", "repo: an ssh URL needs `credentials: {key: …"),
        ("{url: 'https://h/c', credentials: {key: key, knownHosts: hosts}}", "repo: `credentials.key` and"),
        ("{url: /srv/c, credentials: {token: {file: key}}}", "repo: `credentials.token` belongs to an https:// URL"),
        ("{url: /srv/c, caFile: key}", "repo: `caFile` belongs to an https:// URL"),
        (
            "{url: 'ssh://h/c', credentials: {key: key, knownHosts: hosts}, proxy: 'http://p:3128'}",
            "repo: `proxy` belongs",
        ),
        ("{url: 'https://h/c', proxy: 'http://me:hunter2@p:3128'}", "repo.proxy: "),
        ("{url: 'https://h/c', credentials: {username: 'a:b'}}", "repo.credentials.username: "),
        ("{url: 'https://h/c', credentials: {token: hunter2}}", "repo.credentials.token: write fields here"),
        ("{url: 'https://h/c', credentials: {token: {env: GIT}}}", "repo.credentials.token: environment variable GIT"),
        ("{url: 'https://h/c', credentials: {token: {file: gone}}}", "repo.credentials.token: file "),
        ("{url: 'https://h/c', caFile: gone}", "repo.caFile: file "),
        ("{url: 'ssh://h/c', credentials: {key: gone, knownHosts: hosts}}", "repo.credentials.key: file "),
        ("{url: 'ssh://h/c', credentials: {key: key, knownHosts: '%d/x'}}", "repo.credentials.knownHosts: ssh cannot"),
        ("{url: 'ssh://h/c', credentials: {key: '$(x)', knownHosts: hosts}}", "repo.credentials.key: ssh cannot"),
    ],
)
def test_repo_credentials_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path, repo: str, said: str) -> None:
    for name in ("key", "hosts"):
        (tmp_path / name).write_text("hunter2\n")
    error = load_error(tmp_path, f"repo: {repo}\n")
    assert said in error
    assert "hunter2" not in error


def test_secret_that_is_rotated_counts_at_once(tmp_path: Path) -> None:
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
    assert set(secrets()) == {b"hunter2"}, "an empty file revokes the secret at once"


def test_secret_of_a_kubernetes_volume_is_rotated_by_symlinks(tmp_path: Path) -> None:
    for version, value in (("..1", "first"), ("..2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "secret").write_text(value)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "secret").symlink_to("..data/secret")
    one = config.SenderConfig(kind="harbor", secrets=(config.SecretSource(file=tmp_path / "secret"),))
    secrets = one.current_secrets({})
    assert secrets() == (b"first",)
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert secrets() == (b"other",)


def test_secrets_are_not_shown_by_repr_or_dump(tmp_path: Path) -> None:
    one, _ = sender(tmp_path)
    secrets = one.current_secrets({"OTHER": "hunter2"})
    secrets()
    shown = f"{one!r} {secrets!r} {vars(secrets)} {one.model_dump()} {json.dumps(one.model_dump(mode='json'))}"
    assert "first" not in shown
    assert "hunter2" not in shown


def test_secret_file_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(os.urandom(16) * 1024 * 1024)
    one = config.SenderConfig(kind="harbor", secrets=(config.SecretSource(file=tmp_path / "secret"),))
    assert all(len(secret) <= 4096 for secret in one.current_secrets({})())


def test_registry_secrets_must_exist_and_are_read_again(tmp_path: Path) -> None:
    registry = "  harbor.example:8443: {kind: harbor, username: {file: name}, password: {env: ROBOT}, caFile: ca.pem}\n"
    text = MINIMAL + "registries:\n" + registry
    said = load_error(tmp_path, text)
    for missing in (f"file {tmp_path / 'name'}", "environment variable ROBOT", f"file {tmp_path / 'ca.pem'}"):
        assert f"registries.harbor.example:8443: {missing} is empty or cannot be read; put it there" in said
    (tmp_path / "name").write_text("robot$one\n")
    (tmp_path / "ca.pem").write_text("certificates\n")
    loaded = config.load(write(tmp_path, text), {"ROBOT": "secret"}).registries["harbor.example:8443"]
    name, password = loaded.current_secrets()
    assert (name(), password()) == ((b"robot$one",), (b"secret",))
    (tmp_path / "name").write_text("robot$another\n")
    assert name() == (b"robot$another",)


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        ("{kind: quay}", "registries.r.example.kind"),
        ("{kind: oci, url: 'ftp://r.example'}", "registries.r.example.url"),
        ("{kind: oci, url: 'https://me:secret@r.example'}", "registries.r.example.url"),
        ("{kind: oci, url: 'https://r.example:70000'}", "registries.r.example.url"),
        ("{kind: oci, otherHosts: ['auth.example:0']}", "registries.r.example.otherHosts"),
        ("{kind: oci, username: {env: A}}", "give both `username:` and `password:`, or neither"),
        ("{kind: oci, password: hunter2}", "registries.r.example.password"),
        ("{kind: oci, otherHosts: ['https://auth.example']}", "registries.r.example.otherHosts"),
        ("{kind: oci, timeout: 0s}", "registries.r.example.timeout"),
    ],
)
def test_registry_errors_name_the_field_without_its_value(tmp_path: Path, registry: str, said: str) -> None:
    found = load_error(tmp_path, MINIMAL + f"registries: {{r.example: {registry}}}\n")
    assert said in found
    assert "hunter2" not in found
    assert "secret@" not in found
