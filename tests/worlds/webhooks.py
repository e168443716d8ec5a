"""The smallest implementations of the ports around the webhook endpoint and the probes (gitops/ports/between.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.core.parsing.git_urls import GitUrl
from gitops.ports import Clock, DeliveryObserver, Inbox, WebhookEvents
from tests.worlds.clocks import WorldClock
from webhooks.receivers import WebhookInputs
from webhooks.sender import Sender


@dataclass
class RecordedEvents:
    """Implements ports.WebhookEvents: keeps the events. No push is to a source repository."""

    config_pushes: list[ConfigPushed] = field(default_factory=list)
    news: list[ImageScanned | ImageDeleted] = field(default_factory=list)

    def config_pushed(self, event: ConfigPushed) -> str:
        self.config_pushes.append(event)
        return f"{event.ref} moved"

    def source_pushed(self, _event: ConfigPushed) -> str | None:
        return None

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        self.news.append(event)
        return f"{event.image} heard of"


class UncountedDeliveries:
    """Implements ports.DeliveryObserver: counts nothing."""

    def delivery_answered(self, sender: str, status: int, seconds: float) -> None:
        pass


@dataclass(frozen=True, slots=True)
class FixedSecrets:
    """Implements ports.WebhookSecrets."""

    values: Sequence[bytes]

    def read(self) -> Sequence[bytes]:
        return self.values


@dataclass(frozen=True, slots=True)
class FixedProbes:
    """Implements ports.Probes: without arguments, all is well."""

    dead: Sequence[str] = ()
    faults: Sequence[str] = ()

    def dead_loops(self) -> Sequence[str]:
        return self.dead

    def unready(self) -> Sequence[str]:
        return self.faults


@dataclass(frozen=True, slots=True)
class WebhookParties:
    """The parties of one endpoint, as far as a test does not bring its own."""

    repos: frozenset[GitUrl] = frozenset()
    events: WebhookEvents = field(default_factory=RecordedEvents)
    observer: DeliveryObserver = field(default_factory=UncountedDeliveries)
    clock: Clock = field(default_factory=WorldClock)
    deadline: float = 2.5

    def inputs(self, senders: Mapping[str, Sender], inbox: Inbox) -> WebhookInputs:
        return WebhookInputs(senders, inbox, self.repos, self.events, self.observer, self.clock, self.deadline)
