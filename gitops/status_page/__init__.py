"""The read-only status page and its JSON twins: what runs where, what waits and why, who changed what."""

from gitops.status_page.blueprint import blueprint
from gitops.status_page.source import ControllerState, ControllerTrouble, PageInputs, Statuses, StatusSource

__all__ = ["ControllerState", "ControllerTrouble", "PageInputs", "StatusSource", "Statuses", "blueprint"]
