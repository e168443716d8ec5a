"""The rules of promotion, pure: what is proven, what moves, which gates are shut, how a promotion is committed.

Not here: reading git, clusters and registries, and writing commits (gitops/promotion).
Begin with decision.py: may this release move to prod? Its reasons come from gates.py, proposal.py and requests.py.
"""
