"""Desired objects: the text that kustomize prints -> checked manifests."""

from dataclasses import dataclass

from gitops.core.objects import Body, Key


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object. `hash` is a hash of the canonical JSON of `body`; `body` is never changed in place."""

    key: Key
    body: Body
    hash: str

    @property
    def version(self) -> str:
        """`v1` of `apps/v1`."""
        return str(self.body["apiVersion"]).rpartition("/")[2]
