"""Parsers of text that others write: YAML, JSON records, git URLs, quantities, regular expressions.

Not here: what the text means. pipeline.yaml and release.yaml are in core/config_repo.
Begin with `yaml_reader`, then `models`.
"""
