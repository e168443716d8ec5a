"""Promotes releases from one environment to the next, by commits in the config repo.

Not here: the rules, may this release move at all (gitops/core/promotion/decision.py), and applying what was committed.
Begin with promoter.py: Promoter.look reads, asks the rules, writes.
"""
