"""The HTTP endpoint for webhooks: POST /hooks/<sender> is authenticated, parsed into events, handed on and answered.

It decides nothing about images and writes nothing: the committer (gitops/image_updates/) does, through ports.Inbox.
Begin at receivers.py. To add a kind of sender: a module in senders/ with parse(), its line in senders/kinds.py, and its
name in the Literal of SenderConfig.kind in gitops/config/model.py.
"""
