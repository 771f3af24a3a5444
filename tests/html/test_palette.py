"""Right and wrong differ in lightness, so that people who confuse red and green can tell them apart."""

from itertools import combinations

import numpy as np
import pytest

from glr.html.palette import RIGHT, SERIES, WRONG, css

# Machado, Oliveira and Fernandes, 2009, severity 1, of linear RGB.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
GROUNDS = (255, 255, 255), (20, 23, 26)


def linear(colour: tuple[int, int, int]) -> list[float]:
    return [v / 12.92 if (v := c / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for c in colour]


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance: WCAG 2.1."""
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = np.cbrt(np.clip(xyz / [0.9505, 1.0, 1.089], 0, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lightness_tells_them_apart():
    assert luminance(RIGHT) > 1.5 * luminance(WRONG)


def test_css():
    for colour in (RIGHT, WRONG, (255, 0, 16)):
        assert css(colour) == f"#{int.from_bytes(bytes(colour)):06x}"


@pytest.mark.parametrize("look", [0, 1], ids=["light", "dark"])
def test_series_stand_out_from_the_ground(look):
    ground = luminance(GROUNDS[look])
    for pair in SERIES:
        low, high = sorted([luminance(pair[look]), ground])
        assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.1, 1.4.11


@pytest.mark.parametrize("look", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("kind", BLIND)
def test_series_differ_for_the_colour_blind(kind, look):
    seen = [lab(np.array(BLIND[kind]) @ linear(pair[look])) for pair in SERIES]
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10
