"""The script of docs/webhooks.md that announces an image from a pipeline, run as the page has it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.webhooks import samples
from tests.worlds.webhook_port_process import DoorProcess, running

PAGE = ROOT / "docs/webhooks.md"
IMAGE = ("harbor.tuling.internal/tuling/print-service", "1.4.2", "sha256:" + "5f" * 32)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[DoorProcess]:
    with running(tmp_path) as process:
        yield process


def announce(door: DoorProcess, directory: Path, secret: bytes, *image: str) -> subprocess.CompletedProcess[str]:
    (snippet,) = re.findall(r"```sh\n(# announce\.sh.*?)```", PAGE.read_text(), re.DOTALL)
    file = directory / "secret"
    file.write_bytes(secret + b"\n")
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LOCKSTEP_URL": f"http://127.0.0.1:{door.hooks}/hooks/cloudevents",
        "LOCKSTEP_SECRET_FILE": str(file),
    }
    return subprocess.run(
        ["sh", "-c", snippet, "announce.sh", *image], env=environment, capture_output=True, text=True, check=False
    )


def test_announcement_of_an_image_is_accepted(door: DoorProcess, tmp_path: Path) -> None:
    done = announce(door, tmp_path, samples.WRITTEN_SECRET, *IMAGE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"results": ["build: done"]}


def test_announcement_with_a_wrong_secret_fails_the_pipeline(door: DoorProcess, tmp_path: Path) -> None:
    refused = announce(door, tmp_path, b"another", *IMAGE)
    assert refused.returncode != 0
    assert json.loads(refused.stdout)["error"]["reason"] == "Unauthorized"


def test_announcement_of_an_invalid_image_fails_with_the_reason(door: DoorProcess, tmp_path: Path) -> None:
    refused = announce(door, tmp_path, samples.WRITTEN_SECRET, "print-service", *IMAGE[1:])
    assert refused.returncode != 0
    assert "print-service" in json.loads(refused.stdout)["error"]["message"]
