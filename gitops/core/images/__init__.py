"""Container images: references by the OCI grammar, and the facts that a registry knows about an image.

Not here: asking a registry (adapters/registry), choosing between tags (core/image_updates/tag_policy).
Begin with `reference`.
"""
