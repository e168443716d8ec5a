"""The write path: pushed images become commits in the config repo, and senders are answered once those are durable.

Not here: which image is newer and where it goes (gitops/core/image_updates), and promotions (gitops/promotion).
Begin with committer.py: one thread drains the inbox, decides, commits and pushes.
"""
