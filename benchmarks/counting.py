"""The controller's requests to the API server, counted by a proxy in between."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import world
from benchmarks.figures import Figure
from benchmarks.world import World
from tests.e2e.api_proxy import ApiProxy, Request

_OBJECT = re.compile(r"/(?P<kind>[a-z]+)(?:/[^/?]+)?(?:\?|$)")


def restart(where: World, overlays: int) -> Sequence[Figure]:
    """Writes from the start of a process to the end of its first pass over every overlay, and until it is idle."""
    with _start_proxy(where) as proxy, world.controller(where) as running:
        running.await_passes(overlays)
        running.await_quiet()
        requests = [passed.request for passed in proxy.traffic.passed()]
        writes = proxy.traffic.writes()
    said = Counter(f"{request.method} {_kind(request)}" for request in requests)
    note = ", ".join(f"{count} {what}" for what, count in said.most_common())
    return [
        Figure("restart", "writes (Leases and Events apart)", len(writes), "", 0, note=", ".join(map(str, writes[:3]))),
        Figure("restart", "requests of every sort", len(requests), "", note=note),
    ]


@contextmanager
def _start_proxy(where: World) -> Iterator[ApiProxy]:
    with ApiProxy(where.kubeconfig, where.directory) as proxy:
        where.write_config(proxy.kubeconfig)
        try:
            yield proxy
        finally:
            where.write_config(where.kubeconfig)


def _kind(request: Request) -> str:
    what = "watch " if "watch=1" in request.query else ""
    found = _OBJECT.search(request.path)
    return what + (found["kind"] if found else request.path)
