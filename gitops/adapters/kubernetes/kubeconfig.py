"""Access to an API server: by a context of a kubeconfig file, or by the service account of the pod."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME

from gitops.core.errors import Rejected

_FILES = ("tokenFile", "client-certificate", "client-key", "certificate-authority")
_library: Any = config  # its functions carry no annotations


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """`kubeconfig` None means the pod's service account, an empty `context` the file's current one.

    A kubeconfig may name a program to run, or switch the check of the server's certificate off. Both are refused unless
    `allow_exec` or `allow_insecure` is set, which lockstep.yaml cannot do.
    """

    kubeconfig: Path | None = None
    context: str = ""
    allow_exec: bool = False
    allow_insecure: bool = False

    def load(self) -> Configuration:
        """Reads the files. Raises: Rejected(InvalidKubeconfig), Rejected(ExecRefused), Rejected(InsecureRefused)."""
        configuration = Configuration()
        try:
            if self.kubeconfig is None:
                _library.load_incluster_config(configuration)
            else:
                self._load_file(self.kubeconfig, configuration)
        except (config.ConfigException, OSError, ValueError) as error:
            raise Rejected("InvalidKubeconfig", f"{self}: {error}") from error
        return configuration

    def stamp(self) -> tuple[object, ...]:
        """A value that changes when a file that `load` reads is edited or replaced."""
        return tuple((path, *_identity(path)) for path in self._files())

    def __str__(self) -> str:
        if self.kubeconfig is None:
            return "the service account of this pod"
        return f"kubeconfig {self.kubeconfig}" + (f", context {self.context}" if self.context else "")

    def _load_file(self, path: Path, configuration: Configuration) -> None:
        content = _read(path)
        loader = _library.kube_config.KubeConfigLoader(  # only load_and_set, below, runs programs
            content, active_context=self.context or None, config_base_path=None
        )
        self._require_harmless(*_cluster_and_user(content.value, self.context))
        loader.load_and_set(configuration)

    def _require_harmless(self, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
        if not self.allow_exec and ("exec" in user or "auth-provider" in user):
            raise Rejected("ExecRefused", f"{self} runs a program to log in; use a token")
        if self.allow_insecure:
            return
        if cluster.get("insecure-skip-tls-verify") or not str(cluster.get("server")).startswith("https://"):
            raise Rejected(
                "InsecureRefused",
                f"{self} does not verify who the server is (insecure-skip-tls-verify, or no https); give it a "
                "certificate-authority",
            )

    def _files(self) -> Iterator[Path]:
        if self.kubeconfig is None:
            yield from (Path(SERVICE_TOKEN_FILENAME), Path(SERVICE_CERT_FILENAME))
            return
        yield self.kubeconfig
        try:
            parts = _cluster_and_user(_read(self.kubeconfig).value, self.context)
        except (config.ConfigException, OSError, ValueError):
            return
        for part in parts:
            yield from (self.kubeconfig.parent / part[name] for name in _FILES if part.get(name))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = _library.kube_config.KubeConfigMerger(str(path)).config
    if content is None:
        raise ValueError("it is empty")
    return content


def _cluster_and_user(content: Mapping[str, Any], context: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The cluster and the user of a context; empty where the file has none."""
    selected = _find(content, "context", context or content.get("current-context"))
    return _find(content, "cluster", selected.get("cluster")), _find(content, "user", selected.get("user"))


def _find(content: Mapping[str, Any], part: str, name: object) -> Mapping[str, Any]:
    entries = (entry.value for entry in content.get(f"{part}s") or ())
    return next((entry.get(part) or {} for entry in entries if entry.get("name") == name), {})


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
