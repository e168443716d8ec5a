"""One Kubernetes cluster: its objects, the watches, the Lease, and what Lockstep stores in its own namespace.

Not here: what differs, who owns a field, which kind is healthy (gitops.core); when to apply (gitops.reconcile).
Begin at cluster.py, which implements ports.Cluster; every request goes through api.py, every error through errors.py.
"""
