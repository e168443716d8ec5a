"""The command line of each program of a local control plane. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops.local.cluster.credentials import ClusterCredentials

# A Unix socket, because etcd has no users: the directory's permissions protect it. The name is relative to the
# programs' working directory, because unix(7) allows at most 108 bytes.
ETCD_SOCKET = "etcd.sock"


@dataclass(frozen=True, slots=True)
class ComponentLayout:
    """The files of a control plane. `port` is the API server's. The programs run in `directory`."""

    directory: Path
    port: int

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def serving_certificate(self) -> Path:
        """The API server makes it at its first start. The file also holds the CA certificate that signed it."""
        return self.certificates / "apiserver.crt"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def own_kubeconfig(self, component: str) -> Path:
        return self.directory / f"{component}.kubeconfig"

    def log(self, component: str) -> Path:
        return self.directory / f"{component}.log"


@dataclass(frozen=True, slots=True)
class Component:
    """One program. `grace` are the seconds that it may take to end after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    grace: float = 3.0


def storage(
    binaries: Mapping[str, Path], layout: ComponentLayout, credentials: ClusterCredentials
) -> tuple[Component, ...]:
    """Etcd and the API server, which are started together: the API server waits for etcd."""
    return (_etcd(binaries["etcd"], layout), _api_server(binaries["kube-apiserver"], layout, credentials))


def controllers(binaries: Mapping[str, Path], layout: ComponentLayout, stages: Path) -> tuple[Component, ...]:
    """The controllers, the scheduler and kwok, started when the API is ready. `stages` holds kwok's stages."""
    return (
        _controller_manager(binaries["kube-controller-manager"], layout),
        _scheduler(binaries["kube-scheduler"], layout),
        _kwok(binaries["kwok"], layout, stages),
    )


def _etcd(program: Path, layout: ComponentLayout) -> Component:
    return Component(
        "etcd",
        (
            str(program),
            f"--data-dir={layout.directory / 'etcd'}",
            f"--listen-client-urls=unix://{ETCD_SOCKET}",
            "--advertise-client-urls=http://127.0.0.1:0",  # required by etcd, used by no client
            "--listen-peer-urls=http://127.0.0.1:0",  # a single member has no peers
            "--unsafe-no-fsync",  # losing data in a power cut is acceptable here
            "--auto-compaction-retention=1h",
            "--log-level=warn",
        ),
    )


def _api_server(program: Path, layout: ComponentLayout, credentials: ClusterCredentials) -> Component:
    return Component(
        "kube-apiserver",
        (
            str(program),
            f"--etcd-servers=unix://{ETCD_SOCKET}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",  # the default needs a network interface
            "--endpoint-reconciler-type=none",  # loopback is no valid endpoint for the Service `kubernetes`
            f"--secure-port={layout.port}",
            f"--cert-dir={layout.certificates}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={credentials.tokens_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={credentials.signing_key_file}",
            f"--service-account-signing-key-file={credentials.signing_key_file}",
            "--service-cluster-ip-range=10.96.0.0/16",  # the default /24 allows 254 Services only
            "--allow-privileged",
            "--profiling=false",
        ),
    )


def _controller_manager(program: Path, layout: ComponentLayout) -> Component:
    name = "kube-controller-manager"
    return Component(
        name,
        (
            str(program),
            f"--kubeconfig={layout.own_kubeconfig(name)}",
            f"--service-account-private-key-file={layout.directory / 'service-account.key'}",
            f"--root-ca-file={layout.serving_certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
        ),
    )


def _scheduler(program: Path, layout: ComponentLayout) -> Component:
    name = "kube-scheduler"
    return Component(
        name,
        (
            str(program),
            f"--kubeconfig={layout.own_kubeconfig(name)}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
        ),
    )


def _kwok(program: Path, layout: ComponentLayout, stages: Path) -> Component:
    return Component(
        "kwok",
        (
            str(program),
            f"--kubeconfig={layout.own_kubeconfig('kwok')}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",  # without Leases the nodes become NotReady after 50 s
            *(f"--config={stage}" for stage in sorted(stages.glob("*.yaml"))),
        ),
    )
