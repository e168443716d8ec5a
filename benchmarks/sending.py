"""Simulates Harbor's job service: deliveries with its time limit and its retries."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.world import World
from gitops.core.images.reference import Image
from gitops.local import harbor_webhook, site

_TRIES = 3
_HARBOR_WAITS = 3.0
_RETRY_AFTER = 3.0
"""Shorter than Harbor's first pause of 16 s, so that a run ends sooner. This is harder for the controller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one attempt; `sent` is monotonic time, `seconds` the duration."""

    sent: float
    seconds: float
    status: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Harbor, as the sender of one webhook URL."""

    port: int
    path: str
    secret: str

    async def attempt(self, body: bytes) -> Answer:
        """One attempt with Harbor's time limit; status 0 without an answer in time."""
        began = time.monotonic()
        try:
            status = await asyncio.wait_for(self._exchange(body), _HARBOR_WAITS)
        except (TimeoutError, OSError, ValueError, IndexError):
            status = 0
        return Answer(began, time.monotonic() - began, status)

    async def deliver(self, body: bytes, after: float = 0.0) -> Sequence[Answer]:
        """Attempts until one is accepted, at most three."""
        await asyncio.sleep(after)
        answers = [await self.attempt(body)]
        while answers[-1].status != 200 and len(answers) < _TRIES:
            await asyncio.sleep(_RETRY_AFTER * len(answers))
            answers.append(await self.attempt(body))
        return answers

    async def _exchange(self, body: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = (
                f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {self.secret}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()


def sender(world: World) -> Sender:
    return Sender(world.ports["webhooks"], f"/hooks/{site.HARBOR}", world.secret(site.HARBOR).read_text())


def body(pushed: Image) -> bytes:
    return harbor_webhook.body(pushed, datetime.now(UTC))  # noqa: TID251 - plays Harbor, whose clock this is


async def together(harbor: Sender, bodies: Sequence[bytes]) -> Sequence[Sequence[Answer]]:
    """Sends all bodies at the same moment; returns the attempts of each."""
    return await asyncio.gather(*(harbor.deliver(each) for each in bodies))


async def scheduled(harbor: Sender, schedule: Sequence[tuple[float, bytes]]) -> Sequence[Sequence[Answer]]:
    """Sends each body after its number of seconds; returns the attempts of each."""
    return await asyncio.gather(*(harbor.deliver(each, after) for after, each in schedule))
