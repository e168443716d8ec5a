"""`python -m benchmarks.viewer URL`: a viewer that keeps a page open, in its own process, so that the benchmark does
not delay its answers. It ends when its standard input ends, and prints the seconds of each request as JSON.
"""

import json
import select
import sys
import time

from urllib3 import PoolManager

_LOOK_EVERY = 0.25


def main() -> None:
    """Exits with 1 if a request was not answered 200."""
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
