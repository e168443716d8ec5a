"""Writes new files for `lockstep init`. It overwrites no file, because the file may be the only copy."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from gitops.core.errors import Rejected, Unavailable


def write(root: Path, files: Mapping[str, bytes]) -> None:
    """Writes all of the files, or none. A file that exists with the same content stays as it is.

    Raises: Rejected(AlreadyThere) with the paths that exist with another content; Unavailable(CannotWrite).
    """
    blocked = [path for path, content in sorted(files.items()) if _is_blocked(root, path, content)]
    if blocked:
        message = f"nothing was written: {', '.join(blocked[:10])} would have to be overwritten"
        raise Rejected("AlreadyThere", message)
    written: list[Path] = []
    try:
        for path, content in sorted(files.items()):
            file = root / path
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as opened:
                    written.append(file)
                    opened.write(content)
    except OSError as error:
        for file in written:
            with contextlib.suppress(OSError):
                file.unlink()
        raise Unavailable("CannotWrite", f"{error.filename or root}: {error.strerror}; nothing was written") from error


def _is_blocked(root: Path, path: str, content: bytes) -> bool:
    """True if the path has another content, or if a file or a symbolic link stands in place of a directory above it."""
    file = root / path
    for above in list(file.relative_to(root).parents)[:-1]:
        directory = root / above
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            return True
    if file.is_symlink() or (file.exists() and not file.is_file()):
        return True
    return file.exists() and file.read_bytes() != content
