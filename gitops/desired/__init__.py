"""The desired state of each overlay at the trunk's head: composed, rendered, parsed and in scope.

Not here: whether it may be let in (gitops.contract), and what the cluster has (gitops.reconcile).
Begin with desired_state.py.
"""
