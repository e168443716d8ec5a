"""Lockstep, a GitOps controller: images become commits in a config repo, and the config repo becomes what runs.

Not here: the webhook senders (webhooks/), the example (base/, environments/) and what an installation needs (deploy/).
Begin with `core` for a rule, with `reconcile` or `promotion` for the order of the steps, with `ports` for an interface.
docs/architecture.md says what each package may import and where a change begins.
"""
