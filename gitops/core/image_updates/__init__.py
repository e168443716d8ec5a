"""The rules of image updates, pure: which tags are followed, which of two pushes is newer, which overlay changes.

Not here: reading git and registries, and committing (gitops/image_updates, gitops/registry_sweep).
Begin with changes.py: from a pushed image to an edit of an overlay, or the reason why there is none.
"""
