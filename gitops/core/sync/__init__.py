"""Sync: the plan from manifests to live objects, what differs, in which order it is applied, and the status after it.

Not here: reading and writing the cluster (adapters/kubernetes), the steps of a pass (gitops/reconcile).
Begin with `plan`, then `summary`.
"""
