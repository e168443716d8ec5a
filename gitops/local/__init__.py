"""A real Kubernetes control plane without containers: etcd, the API server, its controllers, and kwok for the kubelets.

    binaries.ensure_all()      find or build the programs        (toolchain, progress)
    control_plane.ControlPlane start and stop them in a directory (components, credentials, processes, leash)
    furnish.furnish()          what the example expects to find on a cluster

Linux only. Everything listens on 127.0.0.1.
"""
