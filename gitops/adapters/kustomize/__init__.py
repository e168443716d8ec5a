"""kustomize as a program: one build in a sandbox, and the cache of rendered manifests.

Not here: the guard, which decides which files a build may read (gitops.core.kustomize), and the manifests' meaning.
Begin at builder.py, which implements ports.Renderer.
"""
