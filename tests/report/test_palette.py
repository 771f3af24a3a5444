"""Right and wrong differ in lightness, so that people who confuse red and green can tell them apart."""

from glr.report.palette import RIGHT, WRONG, css


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance: WCAG 2.1."""
    linear = [v / 12.92 if (v := c / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_lightness_tells_them_apart():
    assert luminance(RIGHT) > 1.5 * luminance(WRONG)


def test_css():
    for colour in (RIGHT, WRONG, (255, 0, 16)):
        assert css(colour) == f"#{int.from_bytes(bytes(colour)):06x}"
