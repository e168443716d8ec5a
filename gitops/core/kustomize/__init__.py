"""kustomize: which files a build reads, which it must never see, edits of `images`, and errors fit to be shown.

Not here: running kustomize (adapters/kustomize, gitops/render).
Begin with `guard`, then `file_references`.
"""
