"""Makes the registries, the sweeps and the queries from the configuration, for the controller and for the commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.registry.exchange import RegistryAccess
from gitops.adapters.registry.harbor import HarborRegistry
from gitops.adapters.registry.oci import OciRegistry
from gitops.app.image_facts import ImageFacts
from gitops.app.queues import Queues
from gitops.config import registries as registry_access
from gitops.config.model import Config
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock, Inbox, PassQueue, Registry
from gitops.promotion.gate_facts import ImageQueries
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.query_cache import QueryParties, RegistryOf
from gitops.registry_queries.scans import Scans
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.registry_sweep.declared_images import DeclaredImages
from gitops.registry_sweep.image_retention import ImageRetention, ProofAccounts, RetainedImages
from gitops.registry_sweep.sweeper import Sweeper, SweeperParties

_KINDS: Mapping[str, Callable[[RegistryAccess], Registry]] = {"harbor": HarborRegistry, "oci": OciRegistry}


@dataclass(frozen=True, slots=True)
class SweepParties:
    """What a sweep compares with, and where it hands in what it finds."""

    inbox: Inbox
    repo: GitConfigRepo
    desired: DesiredState
    clock: Clock


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
        now=means.clock.now,
        clock=means.clock.monotonic,
    )
    return Sweeper(parties)


def registry_of(found: Mapping[str, Registry]) -> RegistryOf:
    """Who has an image, if lockstep.yaml names its registry."""
    return lambda image: found.get(image.partition("/")[0])


def retention(
    found: Mapping[str, Registry], ledger: ProofAccounts, desired: DesiredState, passes: PassQueue, clock: Clock
) -> ImageRetention:
    """`passes`: overlays of which other images can be pulled than before are looked at again."""
    return ImageRetention(found, RetainedImages(ledger, desired), passes, clock.monotonic)


def image_facts(
    found: Mapping[str, Registry], desired: DesiredState, clock: Clock, queues: Queues, retention: ImageRetention
) -> ImageFacts:
    """A new answer about a scan may open a gate, so it has promotions looked at."""
    known = registry_of(found)
    scans = Scans(QueryParties(known, queues.scans.add, clock.now, partial(queues.tasks.add, "promote")))
    origins = Origins(QueryParties(known, queues.origins.add, clock.now, lambda: None))
    queries = ImageQueries(scans, origins, retention)
    return ImageFacts(queries, SourcePushes(desired.pipeline, clock.now), queues.scans, queues.origins)


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
