"""Colours, RGB: those of right and wrong, which also differ in lightness and have a mark beside them, and of series."""

RIGHT = (31, 157, 85)
WRONG = (200, 30, 45)

# Each series on white and on a dark ground: blue, vermilion, green, purple, ochre, grey, after Okabe and Ito (Color
# Universal Design, 2008), darkened and lightened for contrast. Lines of series also differ in their dashes.
SERIES = (
    ((0, 114, 178), (86, 180, 233)),
    ((196, 78, 0), (255, 143, 74)),
    ((0, 128, 96), (44, 201, 160)),
    ((160, 66, 138), (227, 154, 208)),
    ((138, 106, 0), (230, 195, 74)),
    ((60, 66, 74), (200, 206, 214)),
)


def css(colour: tuple[int, int, int]) -> str:
    """Return a colour as CSS and Matplotlib write it.

    >>> css((255, 0, 16))
    '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
