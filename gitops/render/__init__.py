"""From a tree of git objects to the text that kustomize prints, cached by content.

Not here: the process that runs kustomize (gitops.adapters.kustomize), and the rules of what a build may read
(gitops.core.kustomize). Begin with builds.py.
"""
