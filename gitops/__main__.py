"""`lockstep` and `python -m gitops`."""

import sys

from gitops.cli import app
from gitops.core.errors import GitopsError


def main() -> None:
    """Runs one command. Exit code 0 = done, 1 = differences or a refusal by the rules, 2 = an error, in words."""
    try:
        app()
    except GitopsError as error:
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
