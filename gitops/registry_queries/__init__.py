"""Questions to registries about single digests, asked in the background and answered from memory.

Not here: sweeps of whole registries (gitops/registry_sweep), and what an answer means for a promotion (gitops/core).
Begin with query_cache.py: QueryCache.of returns what is known, QueryCache.work asks.
"""
