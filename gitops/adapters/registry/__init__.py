"""Registries of container images: Harbor's own API, and the OCI distribution API that all others speak.

Not here: which tag is newer (gitops.core.images), and when to ask (gitops.registry_sweep, registry_queries).
Begin at oci.py or harbor.py, which implement ports.Registry; both send their requests through http.py.
"""
