"""Compares two objects of two environments field by field, apart from names and spellings that do not matter.

Whether a difference is allowed is not decided here: that is core.contract.variations and core.contract.survey.
Begin with `shapes`, then `differences`.
"""
