"""The cache of rendered manifests, by key: in memory, and on disk so that a restart renders nothing.

The files hold plain values of Secrets, as the API server does; they have mode 0600 in a directory of mode 0700.
"""

import contextlib
import hashlib
import os
import tempfile
import threading
from pathlib import Path

from cachetools import LRUCache

_DIGEST_BYTES = hashlib.sha256().digest_size


class RenderCache:
    """Implements ports.Cache. Thread-safe. `memory` and `disk` are limits in bytes; the entry that was used longest ago
    (on disk: written longest ago) is evicted first.

    A disk that fails costs speed, never correctness: reads miss and writes are dropped. Each file starts with the
    SHA-256 of its content, so that a file that a power cut or a full disk has cut short is a miss.
    """

    def __init__(self, directory: Path, *, memory: int = 32 << 20, disk: int = 256 << 20) -> None:
        self._directory = directory
        self._most_disk = disk
        self._lock = threading.Lock()
        self._entries: LRUCache[str, bytes] = LRUCache(memory, getsizeof=len)
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._on_disk = sum(size for _, size, _ in self._files())

    def read(self, key: str) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
        if entry is not None:
            return entry
        stored = self._read_file(key)
        if stored is not None:
            self._remember(key, stored)
        return stored

    def write(self, key: str, text: bytes) -> None:
        self._remember(key, text)
        with contextlib.suppress(OSError):
            self._write_file(key, text)

    def _remember(self, key: str, text: bytes) -> None:
        with self._lock:
            if len(text) <= self._entries.maxsize:
                self._entries[key] = text
            else:
                self._entries.pop(key, None)

    def _read_file(self, key: str) -> bytes | None:
        try:
            stored = (self._directory / key).read_bytes()
        except OSError:
            return None
        digest, text = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        return text if hashlib.sha256(text).digest() == digest else None

    def _write_file(self, key: str, text: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(text).digest() + text)
            Path(name).replace(self._directory / key)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        with self._lock:
            self._on_disk += len(text) + _DIGEST_BYTES
            if self._on_disk > self._most_disk:
                self._shrink()

    def _shrink(self) -> None:
        files = sorted(self._files())
        self._on_disk = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._on_disk <= self._most_disk * 3 // 4:
                return
            path.unlink(missing_ok=True)
            self._on_disk -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """(mtime, size, path) of every file, also of an interrupted write."""
        found = []
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        return found
