"""The outside parties, one package each: git hosts, API servers, registries, kustomize. They implement gitops.ports.

Not here: rules (gitops.core), and the order of the calls (the workflows). No party knows another one.
Begin at the class that implements the port you look for: git/config_repo.py, kubernetes/cluster.py, registry/harbor.py.
A notifier implements ports.EventRecorder in a package of its own here, as kubernetes/events.py does.
"""
