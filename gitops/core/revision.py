"""The commits that an overlay is composed of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revision:
    """Two commits: `base` for the tree outside environments/, `overlay` for the overlay's own directory."""

    base: str
    overlay: str

    def __str__(self) -> str:
        return self.base[:12] if self.base == self.overlay else f"{self.base[:12]}+{self.overlay[:12]}"
