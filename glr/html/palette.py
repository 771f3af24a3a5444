"""Colours, RGB: those of right and wrong, which also differ in lightness and have a mark beside them, and of series."""

RIGHT = (31, 157, 85)
WRONG = (200, 30, 45)

# Each series on white and on a dark ground: blue, vermilion, green, purple, ochre, grey, after Okabe and Ito (Color
# Universal Design, 2008), moved apart for contrast and for the colour-blind. Their lines also differ in their dashes.
SERIES = (
    ((1, 117, 175), (89, 164, 239)),
    ((225, 50, 21), (249, 157, 90)),
    ((2, 140, 97), (49, 204, 160)),
    ((164, 61, 127), (230, 152, 213)),
    ((114, 113, 1), (238, 202, 69)),
    ((53, 64, 69), (200, 206, 214)),
)


def css(colour: tuple[int, int, int]) -> str:
    """Return a colour as CSS and Matplotlib write it.

    Examples:
        >>> css((255, 0, 16))
        '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
