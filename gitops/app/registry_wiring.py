"""Makes the registries, the sweeps and the queries from the configuration, for the controller and for the commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.registry.exchange import RegistryAccess
from gitops.adapters.registry.harbor import HarborRegistry
from gitops.adapters.registry.oci import OciRegistry
from gitops.app.event_handlers import ScanAnswers
from gitops.app.image_facts import ImageFacts
from gitops.app.queues import Queues
from gitops.config import registries as registry_access
from gitops.config.model import Config
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock, Inbox, PassQueue, Registry
from gitops.promotion.gate_facts import ImageQueries
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.query_cache import KnownRegistries, QueryParties
from gitops.registry_queries.scans import Scans
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.registry_sweep.declared_images import DeclaredImages
from gitops.registry_sweep.image_retention import ImageRetention, ProofAccounts, RetainedImages
from gitops.registry_sweep.sweeper import Sweeper, SweeperParties

_KINDS: Mapping[str, Callable[[RegistryAccess], Registry]] = {"harbor": HarborRegistry, "oci": OciRegistry}


@dataclass(frozen=True, slots=True)
class SweepParties:
    """The config repo that a sweep compares registries with, and the inbox for the images that it finds."""

    inbox: Inbox
    repo: GitConfigRepo
    desired: DesiredState
    clock: Clock


def registries(config: Config) -> Mapping[str, Registry]:
    """Registries of lockstep.yaml, by the host that manifests name."""
    return {host: _KINDS[each.kind](_access(host, each)) for host, each in config.registries.items()}


def sweeper(found: Mapping[str, Registry], given: SweepParties, retention: ImageRetention | None = None) -> Sweeper:
    parties = SweeperParties(
        registries=found,
        inbox=given.inbox,
        head=given.desired,
        declared=DeclaredImages(given.repo, given.desired),
        retention=retention,
        clock=given.clock,
    )
    return Sweeper(parties)


def retention(
    found: Mapping[str, Registry], ledger: ProofAccounts, desired: DesiredState, passes: PassQueue, clock: Clock
) -> ImageRetention:
    """`passes`: receives the overlays whose pullable images changed."""
    return ImageRetention(found, RetainedImages(ledger, desired), passes, clock)


def image_facts(
    found: Mapping[str, Registry], desired: DesiredState, clock: Clock, queues: Queues, retention: ImageRetention
) -> ImageFacts:
    """The facts about images that the controller asks registries for."""
    known = KnownRegistries(found)
    scans = Scans(QueryParties(known, queues.scans, clock, ScanAnswers(queues.tasks)))
    origins = Origins(QueryParties(known, queues.origins, clock))
    queries = ImageQueries(scans, origins, retention)
    return ImageFacts(queries, SourcePushes(desired, clock), queues.scans, queues.origins)


def _access(host: str, registry: registry_access.RegistryConfig) -> RegistryAccess:
    sources = registry.current_secrets()

    def credentials() -> tuple[str, str] | None:
        """Reads the credentials again, so a rotated file counts."""
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
