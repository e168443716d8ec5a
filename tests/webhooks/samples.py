"""One delivery for every kind of sender and event: recorded from a product or written after its documentation, as
payloads/README.md lists.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from tests.webhooks import recorded
from tests.webhooks.recorded import Recorded
from webhooks.senders.kinds import KINDS, SenderKind

WRITTEN_SECRET = b"written-hook-secret"
SIGNING_SECRET = b"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SIGNED_AT = 1795425094.0
"""The time at which GitLab's signed delivery was sent."""
REPOS = ("https://git.tuling.internal/platform/config.git", "https://github.com/platform/config.git",
         "https://bitbucket.org/platform/config.git", "https://git.tuling.internal/scm/platform/config.git",
         "http://127.0.0.1:3300/dev/app.git")  # fmt: skip
"""The repositories named in the deliveries."""


@dataclass(frozen=True)
class Sample:
    """One delivery, the kind of sender that reads it, and that sender's secret."""

    kind_name: str
    delivery: Recorded
    secret: bytes

    @property
    def name(self) -> str:
        return self.delivery.name

    @property
    def kind(self) -> SenderKind:
        return KINDS[self.kind_name]


def _kind_of(name: str) -> str:
    return max((kind for kind in KINDS if name.startswith(kind)), key=len)


def _recorded(delivery: Recorded) -> Sample:
    kind = _kind_of(delivery.name)
    given = delivery.headers.get("authorization", "").encode()
    return Sample(kind, delivery, given if kind == "harbor" else recorded.GITEA_SECRET)


def _written(delivery: Recorded) -> Sample:
    secret = SIGNING_SECRET if "webhook-signature" in delivery.headers else WRITTEN_SECRET
    return Sample(_kind_of(delivery.name), delivery, secret)


WRITTEN = [
    _written(recorded.read(path)) for path in sorted((Path(__file__).parent / "payloads/written").glob("*.json"))
]
RECORDED = [
    _recorded(each)
    for each in recorded.ALL.values()
    if not each.name.endswith("-form") and ("authorization" in each.headers or each in recorded.GITEA)
]
ALL = {sample.name: sample for sample in (*RECORDED, *WRITTEN)}


def signed(sample: Sample, body: bytes) -> dict[str, str]:
    """The headers that the sample's sender would send with another body."""
    mac = hmac.new(sample.secret, body, hashlib.sha256).hexdigest()
    headers = {name: value for name, value in sample.delivery.headers.items() if name != "content-length"}
    for name, value in headers.items():
        if name.endswith(("-signature", "-signature-256")) and not value.startswith(("v1,", "sha1=")):
            headers[name] = ("sha256=" if value.startswith("sha256=") else "") + mac
    if "webhook-signature" in headers:
        key = base64.b64decode(sample.secret.removeprefix(b"whsec_"))
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        headers["webhook-signature"] = f"v1,{signature}"
    return headers
