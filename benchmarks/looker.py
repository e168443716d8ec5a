"""`python -m benchmarks.looker URL`: somebody who keeps a page open, in a process of its own: the bench itself makes no
answer later. Ends with its standard input, and prints the seconds of each look as JSON.
"""

import json
import select
import sys
import time

from urllib3 import PoolManager

_LOOK_EVERY = 0.25


def main() -> None:
    """Exit code 1 when a look was not answered 200."""
    pool, seconds = PoolManager(timeout=10.0, retries=False), []
    while not select.select([sys.stdin], [], [], _LOOK_EVERY)[0]:
        began = time.monotonic()
        status = pool.request("GET", sys.argv[1]).status
        seconds.append(time.monotonic() - began)
        if status != 200:
            sys.exit(f"the page answered {status}")
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main()
