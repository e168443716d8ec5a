"""Manifests: the objects that git wants. Parsing of a render, what an overlay may hold, and what pods refer to.

Not here: rendering (core/kustomize, adapters/kustomize), comparing with live objects (core/sync).
Begin with `manifest`, then `scope`.
"""
