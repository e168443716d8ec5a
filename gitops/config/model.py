"""lockstep.yaml: the controller's own configuration. The file is not in the config repo on purpose: a person with push
access there must not be able to widen what the controller may do.

Its JSON Schema is docs/lockstep.schema.json; docs/lockstep.yaml shows every field.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails

from gitops.config.fields import AnchoredPath, Duration, SecretSource, Section
from gitops.config.registries import HostName, RegistryConfig
from gitops.config.repo import PROXY, RepoCredentials, missing_access, require_fit
from gitops.core.errors import Place, Rejected
from gitops.core.parsing import git_urls, yaml_reader
from gitops.core.parsing.yaml_reader import Document, YamlLimits
from gitops.core.promotion.gates import SKIPPABLE, Gate
from gitops.runtime.secret_files import SecretFiles

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_LARGEST_CONFIG = 1024 * 1024


def _parse_address(value: Any) -> Any:
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, Address):
        return value
    if match is None or int(match["port"]) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080 or [::]:8080")
    return Address(host=match["host"].strip("[]"), port=int(match["port"]))


def _require_url(url: str) -> str:
    if git_urls.parse(url) is None:
        raise ValueError("write an https://, ssh://, git:// or file:// URL, user@host:path or an absolute path")
    if re.match(r"[a-z]+://[^/@]*:[^/@]*@", url):
        raise ValueError("take the password out of the URL; it would be shown in process lists and logs")
    return url


def _require_clonable(url: str) -> str:
    if not git_urls.is_for_git(_require_url(url)):
        raise ValueError(
            "write an https:// URL without a user (`credentials.username` has it), ssh://git@host/path, git@host:path, "
            "file:///path or an absolute path, without quotes and signs of a shell"
        )
    return url


def _require_branch(name: str) -> str:
    if not git_urls.is_ref(f"refs/heads/{name}"):
        raise ValueError("write the name of a branch, such as main")
    return name


class Address(Section):
    host: str
    port: int


ListenAddress = Annotated[
    Address,
    BeforeValidator(_parse_address),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_ADDRESS.pattern.replace('?P<host>', '').replace('?P<port>', '')}$"}
    ),
]
RepoUrl = Annotated[str, AfterValidator(_require_clonable)]
OtherUrl = Annotated[str, AfterValidator(_require_url)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Rate(Section):
    """Accepted requests: `burst` at once, then `perSecond`. Requests above that are answered 429."""

    per_second: Annotated[float, Field(gt=0, le=100_000)] = 200.0
    burst: Annotated[int, Field(gt=0, le=1_000_000)] = 10_000


class SenderConfig(Section):
    """One URL, /hooks/<name>, for one sender. Several secrets are valid at the same time, for rotation.
    `largestBody` is in bytes; by default the size that the kind needs.
    """

    kind: Literal[
        "harbor",
        "github",
        "gitlab",
        "gitea",
        "forgejo",
        "gogs",
        "bitbucket-cloud",
        "bitbucket-data-center",
        "cloudevents",
    ]
    secrets: Annotated[tuple[SecretSource, ...], Field(min_length=1)]
    largest_body: Annotated[int, Field(gt=0, le=100 * 1024 * 1024)] | None = None
    rate: Rate = Rate()

    def current_secrets(self, environ: Mapping[str, str]) -> SecretFiles:
        files = [source.file for source in self.secrets if source.file]
        return SecretFiles(files, [source.env for source in self.secrets if source.env], environ)


class RepoConfig(Section):
    """The config repo. `aliases` are other URLs that its host uses for it in webhooks. `credentials` authenticate
    Lockstep to the host, and for ssh also the host to Lockstep. `caFile` has the CAs for an https host, instead of the
    system's. `proxy` is the proxy to an https host.
    """

    url: RepoUrl
    trunk: Annotated[str, AfterValidator(_require_branch)] = "main"
    aliases: tuple[OtherUrl, ...] = ()
    credentials: RepoCredentials | None = None
    ca_file: AnchoredPath | None = None
    proxy: Annotated[str, Field(pattern=PROXY)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        require_fit(self.url, self.credentials, {"caFile": self.ca_file, "proxy": self.proxy})
        return self

    def remotes(self) -> frozenset[git_urls.GitUrl]:
        parsed = (git_urls.parse(url) for url in (self.url, *self.aliases))
        return frozenset(remote for remote in parsed if remote is not None)


class ClusterConfig(Section):
    """The cluster to reconcile. Without this section: the cluster that the controller runs in."""

    kubeconfig: AnchoredPath
    context: str | None = None


class Signers(Section):
    """`file`: git's allowed-signers file (ALLOWED SIGNERS of ssh-keygen(1)) with the people whose signatures under
    promotion tags are valid. Lockstep reads it again when it changes.
    """

    file: AnchoredPath


class Listen(Section):
    webhooks: ListenAddress = Address(host="127.0.0.1", port=8080)
    page: ListenAddress = Address(host="127.0.0.1", port=8081)
    metrics: ListenAddress = Address(host="127.0.0.1", port=8082)


class Webhooks(Section):
    """`threads`: the number of deliveries that may wait for their commit at the same time. `deadline`: the time after
    which they are answered 503 (Harbor hangs up after 3 s).
    """

    threads: Annotated[int, Field(ge=1, le=8192)] = 1024
    deadline: Duration = timedelta(seconds=2.5)


class CeilingsConfig(Section):
    """The limits of pipeline.yaml, which can only narrow them. Namespaces are globs, cluster kinds `Kind` or
    `Kind.group`.
    """

    namespaces: tuple[str, ...] = ()
    cluster_kinds: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()


class LogConfig(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Timeouts(Section):
    """The maximum duration of one call to an outside party. An admission webhook of the cluster may take 30 s of it."""

    git: Duration = timedelta(seconds=30)
    render: Duration = timedelta(seconds=30)
    cluster: Duration = timedelta(seconds=35)


class Config(Section):
    """All of lockstep.yaml. Relative paths start at its directory. `lease`: the time after the leader's last renewal
    when another replica takes over; a leader that was suspended for more than two thirds of it has stepped down.
    `skippable`: the gates that a request for a promotion may skip by name; no commit of the config repo can add one.
    The keys of `registries` are the hosts in the manifests' image names.
    """

    model_config = ConfigDict(title="lockstep.yaml")

    name: Name = "lockstep"
    repo: RepoConfig
    state: AnchoredPath = Path("/var/lib/lockstep")
    senders: dict[Name, SenderConfig] = Field(default_factory=dict)
    registries: dict[HostName, RegistryConfig] = Field(default_factory=dict)
    cluster: ClusterConfig | None = None
    signers: Signers | None = None
    skippable: tuple[Gate, ...] = tuple(gate for gate in Gate if gate in SKIPPABLE)
    listen: Listen = Listen()
    webhooks: Webhooks = Webhooks()
    poll: Duration = timedelta(seconds=30)
    lease: Annotated[Duration, Field(ge=timedelta(seconds=2))] = timedelta(seconds=15)
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    ceilings: CeilingsConfig = CeilingsConfig()
    kustomize: AnchoredPath | None = None
    log: LogConfig = LogConfig()
    timeouts: Timeouts = Timeouts()


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Reads lockstep.yaml and requires every secret that it names.

    Raises: Rejected(InvalidConfiguration) with every mistake, its line and the correction.
    """
    document = _read(path)
    try:
        config = Config.model_validate(document.value, context={"directory": path.resolve().parent, "environ": environ})
    except ValidationError as error:
        raise _invalid(path, _mistakes(error, document)) from None  # pydantic's own text would show values
    if missing := list(_missing_secrets(config, document, environ)):
        raise _invalid(path, missing)
    return config


def schema() -> str:
    """The text of docs/lockstep.schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> Document:
    """The values of the file, with their lines."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_CONFIG + 1)
        found = yaml_reader.documents(text, str(path), YamlLimits(size=_LARGEST_CONFIG))
    except OSError as error:
        raise _invalid(path, [(None, f"cannot be read ({error.strerror}); name the file with --config")]) from error
    except Rejected as error:
        raise _invalid(path, [(error.place.line if error.place else None, error.message)]) from None
    return found[0] if found else Document(str(path), {}, (1, None))


def _missing_secrets(
    config: Config, document: Document, environ: Mapping[str, str]
) -> Iterator[tuple[int | None, str]]:
    for field, trouble in missing_access(config.repo.credentials, config.repo.ca_file):
        where: tuple[str, ...] = ("repo", *field)
        yield document.place(where).line, f"{_where(where)}: {trouble}"
    for name, sender in config.senders.items():
        for missing in sender.current_secrets(environ).missing():
            where = ("senders", name, "secrets")
            yield (
                document.place(where).line,
                f"{_where(where)}: {missing} is empty or cannot be read; put the secret there",
            )
    for host, registry in config.registries.items():
        line = document.place(("registries", host)).line
        for missing in registry.missing():
            yield line, f"registries.{host}: {missing} is empty or cannot be read; put it there"


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"


def _mistakes(error: ValidationError, document: Document) -> list[tuple[int | None, str]]:
    """Each mistake with its line. A section is left out if one of its fields is named."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    sections = {item["loc"][:end] for item in found for end in range(len(item["loc"]))}
    return [
        (document.place(item["loc"]).line, f"{_where(item['loc'])}: {_describe(item)}")
        for item in found
        if item["loc"] not in sections
    ]


def _describe(item: ErrorDetails) -> str:
    known = {
        "missing": "is missing",
        "extra_forbidden": "unknown field; see docs/lockstep.schema.json",
        "model_type": "write fields here, `name: value` each",
    }
    return known.get(item["type"], item["msg"].removeprefix("Value error, "))


def _invalid(path: Path, wrong: list[tuple[int | None, str]]) -> Rejected:
    """The error for all mistakes: the first gives the place, the others name their own lines."""
    (line, first), *others = wrong
    message = "; ".join([first, *(f"line {other}: {text}" if other else text for other, text in others)])
    return Rejected("InvalidConfiguration", message, place=Place(str(path), line))
