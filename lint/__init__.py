"""Checks of this repository's own sources that no published linter makes: sizes, names, docstrings, docs.

No rule of the product is here, and nothing here is shipped. A rule is a pure function from a tree of texts to a report.
Begin with `__main__`, which lists the rules; each rule has a test in tests/lint/ that shows a tree which it refuses.
"""
