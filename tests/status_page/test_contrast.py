"""WCAG 2.2 AA (1.4.3): text has a contrast of at least 4.5:1 in the light and the dark scheme."""

import re
from importlib import resources
from itertools import product

import pytest

CSS = resources.files("gitops.status_page").joinpath("static", "page.css").read_text()
TONES = ("ok", "busy", "warn", "bad", "off")
PAIRS = [
    *product(("text", "quiet", "link"), ("ground", "surface", "sunken")),
    *product(TONES, ("surface", "sunken")),
    *((tone, f"{tone}-soft") for tone in TONES),
    *(("text", f"{tone}-soft") for tone in ("bad", "busy")),
    *product(TONES, ("bad-soft", "busy-soft")),
]


def colours(scheme: str) -> dict[str, str]:
    light, dark = CSS.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light))
    return found if scheme == "light" else found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", dark))


def luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_contrast_of_every_pair_meets_wcag(scheme: str, pair: tuple[str, str]) -> None:
    bright, dim = sorted((luminance(colours(scheme)[name]) for name in pair), reverse=True)

    assert (bright + 0.05) / (dim + 0.05) >= 4.5
