"""`lockstep` and `python -m gitops`."""

import sys

from gitops.core.errors import GitopsError

_OFFLINE = frozenset({"check", "init", "parity"})


def main() -> None:
    """Runs one command. Exit code 0 = done, 1 = differences or a refusal by the rules, 2 = an error, in words."""
    try:
        _run()
    except GitopsError as error:
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        sys.exit(2)


def _run() -> None:
    """What runs in hooks does without the second that the clients of clusters and servers take to be imported."""
    if _OFFLINE & set(sys.argv[1:2]):
        from gitops.adopting import app  # noqa: PLC0415
    else:
        from gitops.cli import app  # noqa: PLC0415
    app()


if __name__ == "__main__":
    main()
