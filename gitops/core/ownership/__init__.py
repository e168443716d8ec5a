"""Ownership: which objects belong to an overlay (ApplySet), and which manager owns which field of a live object.

Not here: reading objects (adapters/kubernetes), what is done about drift (core/sync/plan, reconcile/executor).
Begin with `live_object`, then `applyset` and `field_ownership`.
"""
