"""The key with which this installation hashes Secrets, stored in the cluster for every replica and every restart.

A plain hash of a Secret's manifest in the inventory would let a reader of the inventory guess short values.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable

from gitops.adapters.kubernetes import state_namespace
from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.state_namespace import MANAGED_BY, NAMESPACE
from gitops.core.errors import Conflict, Unavailable

NAME = "lockstep-installation-key"
_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_BYTES = 32


def installation_key(api: KubernetesApi, random: Callable[[int], bytes]) -> bytes:
    """Reads the key; the first replica makes it. `random(n)` returns n bytes. Raises as KubernetesApi.request does."""
    for _ in range(2):
        stored = state_namespace.read(api, f"{_SECRETS}/{NAME}")
        if stored is not None:
            return b64decode(stored["data"]["key"])
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": MANAGED_BY},
            "data": {"key": b64encode(random(_BYTES)).decode()},
        }
        try:
            return b64decode(state_namespace.store(api, _SECRETS, body)["data"]["key"])
        except Conflict:
            continue  # another replica was faster: read what it stored
    raise Unavailable("NoKey", f"Secret {NAMESPACE}/{NAME} was created and deleted meanwhile; trying again")
