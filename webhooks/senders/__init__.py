"""One module for each kind of sender (Harbor, GitHub, GitLab...): its parse() turns headers and body into a Delivery.

No I/O, no authentication (webhooks/auth.py) and no decision whether an image is deployed (gitops/core/image_updates/).
Begin at kinds.py: the table of all kinds. A new one is a module here, a line there, its name in the Literal of
SenderConfig.kind in gitops/config/model.py, and payloads in tests/webhooks/.
"""
