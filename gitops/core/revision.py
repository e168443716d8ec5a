"""What an overlay is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revision:
    """The two commits an overlay is composed of: the tree outside environments/, and its own directory."""

    base: str
    overlay: str

    def __str__(self) -> str:
        return self.base[:12] if self.base == self.overlay else f"{self.base[:12]}+{self.overlay[:12]}"
