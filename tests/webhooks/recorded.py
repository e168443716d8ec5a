"""Deliveries recorded from a real Harbor 2.15.2 and a real Gitea 1.26.0, byte for byte."""

import json
from dataclasses import dataclass
from pathlib import Path

GITEA_SECRET = b"gitea-hook-secret-1"
HARBOR_SECRET = b"Bearer receiver-token-2"


@dataclass(frozen=True)
class Recorded:
    name: str
    headers: dict[str, str]
    body: bytes


def read(path: Path) -> Recorded:
    """One file of payloads/."""
    stored = json.loads(path.read_text())
    return Recorded(path.stem, {name.lower(): value for name, value in stored["headers"]}, stored["body"].encode())


ALL = {path.stem: read(path) for path in sorted((Path(__file__).parent / "payloads").glob("*.json"))}
HARBOR = [recorded for name, recorded in ALL.items() if name.startswith("harbor-")]
GITEA = [recorded for name, recorded in ALL.items() if name.startswith("gitea-") and not name.endswith("-form")]
