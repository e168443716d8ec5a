"""Build the programs that the tests run, before a test's time limit counts: `python -m tests.worlds.programs`.

Programs that are built already are kept. The first run on a machine takes about 8 minutes.
"""

from gitops.local.cluster import binaries

if __name__ == "__main__":
    binaries.ensure_all(binaries.PROGRAMS)
