"""A local Kubernetes control plane without containers: etcd, the API server, its controllers, kwok for the kubelets.

It runs no pods: kwok simulates the nodes. It knows nothing of Lockstep; the tests use it as their cluster, too.
Begin at control_plane.py (start and stop); binaries.py finds or builds the programs, prerequisites.py adds objects.
"""
