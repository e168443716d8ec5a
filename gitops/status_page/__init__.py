"""The read-only status page and its JSON API: what runs where, what waits and why, who changed what.

It changes nothing and reads neither the cluster nor git itself: its data comes through StatusSource (source.py).
Begin at blueprint.py, the list of routes; views/ makes the values shown, templates/ the HTML, texts/ both languages.
"""

from gitops.status_page.blueprint import blueprint
from gitops.status_page.source import ControllerState, ControllerTrouble, PageInputs, Statuses, StatusSource

__all__ = ["ControllerState", "ControllerTrouble", "PageInputs", "StatusSource", "Statuses", "blueprint"]
