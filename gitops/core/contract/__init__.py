"""The contract: may this render run in this environment? Rules over rendered objects, pipeline.yaml and release.yaml.

Rendering and reading git are not here: gitops.contract does both and calls these rules.
Begin with `survey` (one overlay beside the reference), then `cross_environment`, `release_evidence` and `admission`.
"""
