"""From the configuration to the registries, and to whoever looks at them: for the controller and the commands alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.registry.harbor import HarborRegistry
from gitops.adapters.registry.http import RegistryAccess
from gitops.adapters.registry.oci import OciRegistry
from gitops.app.wiring import Clocks
from gitops.config import registries as registry_access
from gitops.config.model import Config
from gitops.desired.desired_state import DesiredState
from gitops.ports import Inbox, Registry
from gitops.registry_queries.query_cache import RegistryOf
from gitops.registry_sweep.declared_images import DeclaredImages
from gitops.registry_sweep.image_retention import ImageRetention, ProofAccounts, RetainedImages
from gitops.registry_sweep.schedule import SweepSchedule, SweepTerms
from gitops.registry_sweep.sweeper import Sweeper, SweeperParties

_KINDS: Mapping[str, Callable[[RegistryAccess], Registry]] = {"harbor": HarborRegistry, "oci": OciRegistry}


@dataclass(frozen=True, slots=True)
class SweepParties:
    """What a sweep compares with, and where it hands in what it finds."""

    inbox: Inbox
    repo: GitConfigRepo
    desired: DesiredState
    clocks: Clocks


def registries(config: Config) -> Mapping[str, Registry]:
    """Those of lockstep.yaml, by the host that manifests name."""
    return {host: _KINDS[each.kind](_access(host, each)) for host, each in config.registries.items()}


def sweeper(found: Mapping[str, Registry], means: SweepParties, pullability: ImageRetention | None = None) -> Sweeper:
    parties = SweeperParties(
        registries=found,
        inbox=means.inbox,
        pipeline=means.desired.pipeline,
        declared=DeclaredImages(means.repo, means.desired.pipeline, means.desired.overlays),
        pullability=pullability,
        now=means.clocks.now,
        clock=means.clocks.monotonic,
    )
    return Sweeper(parties)


def registry_of(found: Mapping[str, Registry]) -> RegistryOf:
    """Who has an image, if lockstep.yaml names its registry."""
    return lambda image: found.get(image.partition("/")[0])


def sweeping(
    found: Mapping[str, Registry],
    means: SweepParties,
    ledger: ProofAccounts,
    terms: SweepTerms,
    on_news: Callable[[frozenset[str]], None],
) -> SweepSchedule:
    """`on_news(overlays)`: of which something else can be pulled than before."""
    pullability = ImageRetention(found, RetainedImages(ledger, means.desired), on_news, means.clocks.monotonic)
    return SweepSchedule(sweeper(found, means, pullability), pullability, terms)


def _access(host: str, registry: registry_access.RegistryConfig) -> RegistryAccess:
    sources = registry.current_secrets()

    def credentials() -> tuple[str, str] | None:
        """As they are now: a file that was replaced is read again."""
        values = [next(iter(read()), b"").decode("utf-8", "surrogateescape") for read in sources]
        return (values[0], values[1]) if values else None

    return RegistryAccess(
        host=host,
        url=registry.url or f"https://{host}",
        credentials=credentials,
        ca_file=registry.ca_file,
        seconds=registry.timeout.total_seconds(),
        other_hosts=frozenset(registry.other_hosts),
    )
