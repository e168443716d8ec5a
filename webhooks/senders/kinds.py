"""The kinds of senders that lockstep.yaml can name: to add one, write its module here, add it to KINDS, and
add its name to the Literal of SenderConfig.kind in gitops/config/model.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from webhooks import standard_webhooks
from webhooks.auth import Bearer, Request, Scheme, Signature
from webhooks.deliveries import Delivery
from webhooks.senders import (
    bitbucket_cloud,
    bitbucket_data_center,
    cloudevents,
    gitea,
    github,
    gitlab,
    gogs,
    harbor,
)

MEBIBYTE = 1024 * 1024
_GIT_PUSH_BYTES = 25 * MEBIBYTE
"""GitHub sends no larger payload: https://docs.github.com/en/webhooks/webhook-events-and-payloads"""


@dataclass(frozen=True, slots=True)
class SenderKind:
    """`parse` reads a delivery, `scheme` authenticates it, `largest_body` limits it (bytes).

    `secret_flaw` explains why a configured secret can never match, None for a usable one. `signs_id` tells whether the
    signature of this request covers the delivery's id.
    """

    parse: Callable[[Mapping[str, str], bytes], Delivery]
    scheme: Scheme
    largest_body: int
    secret_flaw: Callable[[bytes], str | None] = lambda _: None
    signs_id: Callable[[Sequence[bytes], Request], bool] = lambda *_: False


_GITHUB = Signature("x-hub-signature-256", b"sha256=")
_BITBUCKET = Signature("x-hub-signature", b"sha256=")
_GITEA = Signature("x-gitea-signature", signs_payload=True)
_FORGEJO = Signature("x-forgejo-signature", signs_payload=True)
_GOGS = Signature("x-gogs-signature", signs_payload=True)

KINDS: Mapping[str, SenderKind] = MappingProxyType(
    {
        "harbor": SenderKind(harbor.parse, Bearer("authorization"), MEBIBYTE),
        "github": SenderKind(github.parse, _GITHUB, _GIT_PUSH_BYTES),
        "gitlab": SenderKind(
            gitlab.parse,
            standard_webhooks.SignedOrToken(),
            _GIT_PUSH_BYTES,
            standard_webhooks.secret_flaw,
            standard_webhooks.Signed().is_authentic,
        ),
        "gitea": SenderKind(gitea.parse, _GITEA, _GIT_PUSH_BYTES),
        "forgejo": SenderKind(gitea.parse_forgejo, _FORGEJO, _GIT_PUSH_BYTES),
        "gogs": SenderKind(gogs.parse, _GOGS, _GIT_PUSH_BYTES),
        "bitbucket-cloud": SenderKind(bitbucket_cloud.parse, _BITBUCKET, MEBIBYTE),
        "bitbucket-data-center": SenderKind(bitbucket_data_center.parse, _BITBUCKET, MEBIBYTE),
        "cloudevents": SenderKind(cloudevents.parse, _GITHUB, MEBIBYTE),
    }
)
"""Kind in lockstep.yaml -> how its deliveries are read. Each sender has a URL and secrets of its own, so the kind of a
delivery is never guessed from its headers.
"""
