"""Sweeps registries: finds pushes whose webhook was lost, and images in use that a registry no longer has.

Not here: deciding about what was found (gitops/image_updates), and questions about single digests (registry_queries).
Begin with sweeper.py: Sweeper.sweep is the list of its steps.
"""
