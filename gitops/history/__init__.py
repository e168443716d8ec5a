"""Git's past of the environments, for the page: promotions, rollbacks and holds, read once per head.

Not here: the history of passes, which the ledger in the cluster holds (gitops.adapters.kubernetes.ledger).
Begin with git_history.py.
"""
