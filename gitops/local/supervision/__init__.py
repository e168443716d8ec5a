"""Starts child processes that end with their parent, records them, and ends those that an earlier run left.

It knows nothing of Kubernetes or Lockstep. It is Linux only: pidfd, /proc and the parent-death signal.
Begin at processes.py; process_record.py writes who runs, interrupt.py turns Ctrl-C into an exception.
"""
