"""The config repo as git keeps it: clone, fetch, commit, push, history, tags; also a work tree on a person's disk.

Not here: the meaning of a file (gitops.core.config_repo), and when to commit (gitops.image_updates, gitops.promotion).
Begin at config_repo.py, which implements ports.ConfigRepo; the module remote holds the credentials and the git errors.
"""
