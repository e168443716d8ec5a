"""Compiles the `variations` of pipeline.yaml: which fields may differ, in which environments, under which conditions.

The form of a variation in YAML is core.config_repo.variations; the judgement of a difference is core.contract.
Begin with `rules`, then `rule_book`; `presets` holds the standard preset.
"""
