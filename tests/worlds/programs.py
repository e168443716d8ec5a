"""Builds the programs that the tests run, before any test has a time limit: `python -m tests.worlds.programs`.

Programs that are there already are left as they are. The first run on a machine takes about 8 minutes.
"""

from gitops.local.cluster import binaries

if __name__ == "__main__":
    binaries.ensure_all(binaries.PROGRAMS)
