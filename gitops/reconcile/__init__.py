"""The workflow that makes the cluster what git wants: one pass over one overlay, again and again.

Not here: what git wants (gitops.desired), the rules of a pass (gitops.core.sync), promotions and image updates.
Begin with reconciler.py, which reads as the list of a pass's steps.
status_writer.py tells people about an overlay, through ports.EventRecorder.
"""
