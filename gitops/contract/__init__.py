"""The contract between environments, asked of rendered overlays: in each pass, before a commit, and offline.

Not here: the rules themselves (gitops.core.contract), and who acts on a verdict (gitops.reconcile, gitops.promotion).
Begin with checker.py (`lockstep check`); head_surveys.py is its counterpart in a controller.
"""
