"""The config repo: pipeline.yaml, release.yaml, hold.yaml, where the overlays lie, and which commits each is made of.

Not here: reading git (adapters/git), what kustomize makes of the files (core/kustomize), what a promotion writes.
Begin with `pipeline`, then `layout` and `compose`.
"""
