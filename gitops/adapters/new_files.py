"""Writes files where none are. What is there stays: it may be the only copy."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from gitops.core.errors import Rejected, Unavailable


def write(root: Path, files: Mapping[str, bytes]) -> None:
    """All of the files, or none. Those that are there already with the same content are left.

    Raises: Rejected(AlreadyThere) naming what is in the way; Unavailable(CannotWrite).
    """
    in_the_way = [path for path, content in sorted(files.items()) if _is_other(root, path, content)]
    if in_the_way:
        message = f"nothing was written: {', '.join(in_the_way[:10])} would have to be overwritten"
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


def _is_other(root: Path, path: str, content: bytes) -> bool:
    """Also where a file or a link stands in place of a directory: what is below it would be somewhere else."""
    file = root / path
    for above in list(file.relative_to(root).parents)[:-1]:
        directory = root / above
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            return True
    if file.is_symlink() or (file.exists() and not file.is_file()):
        return True
    return file.exists() and file.read_bytes() != content
