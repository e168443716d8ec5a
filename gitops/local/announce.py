"""Sends GitHub's push webhook for a bare repository on disk; its post-receive hook runs this module.

`python -m gitops.local.announce URL SECRET_FILE` in the repository, with `old new ref` lines on standard input.
A webhook that cannot be sent never fails the push: the controller also fetches the repository regularly.
"""

import hashlib
import hmac
import json
import sys
import uuid
from pathlib import Path

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from gitops.local.webhook_answer import sentences


def delivery(line: str, repository: str, secret: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of GitHub's push event for one line of a post-receive hook.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
    """
    before, after, ref = line.split(" ", 2)
    zeros = "0" * len(before)
    body = json.dumps(
        {
            "ref": ref,
            "before": before,
            "after": after,
            "created": before == zeros,
            "deleted": after == zeros,
            "forced": False,
            "repository": {"full_name": Path(repository).name, "clone_url": repository},
        }
    ).encode()
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return body, {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def main(url: str, secret_file: str) -> None:
    secret = Path(secret_file).read_bytes().strip()
    pool = PoolManager(timeout=3.0, retries=False)
    for line in sys.stdin.read().splitlines():
        body, headers = delivery(line, str(Path.cwd()), secret)
        try:
            answer = pool.request("POST", url, body=body, headers=headers)
        except HTTPError:
            sys.stderr.write("lockstep: the webhook could not be sent; the controller will fetch this push later\n")
            return
        sys.stderr.writelines(f"lockstep: {sentence}\n" for sentence in sentences(answer.data))


if __name__ == "__main__":
    main(*sys.argv[1:3])
