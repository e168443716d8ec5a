"""HTTP for webhooks, page and metrics: one WSGI application and one listener with limits for each port.

Not here: the meaning of a delivery (webhooks/), and what a page shows (status_page).
Begin at apps.py for the applications, at listener.py for the limits.
"""
