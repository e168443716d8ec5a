"""Rules of `lockstep init`: from a tree of kustomizations to environments, services, a reference and variations. Pure.

Rendering and writing files are not here: gitops.onboarding calls these rules in order.
Begin with `discovery`, then `relocation`, `variation_proposals` and `pipeline_text`.
"""
