"""Compiles the `variations` of pipeline.yaml: which fields may differ, in which environments, under which conditions.

The form of a variation in YAML is core.config_repo.variations; a difference is checked in core.contract.
Begin with `rules`, then `rule_book`; `presets` holds the standard preset.
"""
