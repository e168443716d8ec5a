"""Values of secrets, read from files and variables and never shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

_LARGEST = 4096


class SecretFiles:
    """The current values of one sender's secrets. Thread-safe: it only ever replaces whole entries.

    A file is read again when it changed, so rotation needs no restart. While it cannot be read or does not exist, the
    last value stays valid. An empty file revokes its secret at once, even if a program is about to rewrite it:
    rewriting in place also shows half a secret, so a new file must be renamed over the old one. White space at both
    ends of a file is not part of its secret.
    """

    def __init__(self, files: Sequence[Path], variables: Sequence[str], environ: Mapping[str, str]) -> None:
        self._variables = {name: SecretStr(environ.get(name, "")) for name in variables}
        self._files = tuple(files)
        self._read: dict[Path, tuple[tuple[int, ...], SecretStr]] = {}

    def __call__(self) -> tuple[bytes, ...]:
        """Every value that is not empty."""
        values = (*self._variables.values(), *(self._current(file) for file in self._files))
        return tuple(value.get_secret_value().encode("utf-8", "surrogateescape") for value in values if value)

    def missing(self) -> Sequence[str]:
        """The files and variables that are empty or cannot be read, such as "file /run/secrets/harbor"."""
        files = [f"file {file}" for file in self._files if not self._current(file)]
        return files + [f"environment variable {name}" for name, value in self._variables.items() if not value]

    def _current(self, file: Path) -> SecretStr:
        known = self._read.get(file)
        try:
            stat = file.stat()
            version = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if known is None or known[0] != version:
                with file.open("rb") as stream:
                    value = stream.read(_LARGEST).decode("utf-8", "surrogateescape").strip()
                known = self._read[file] = (version, SecretStr(value))
        except OSError:
            pass
        return known[1] if known else SecretStr("")
