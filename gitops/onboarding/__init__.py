"""`lockstep init`: makes a config repo from the kustomizations of a git work tree, in memory.

The rules are core.onboarding; files are written by the command (gitops.cli.init).
Begin with `onboarder`; `release_lock` is the second run.
"""
