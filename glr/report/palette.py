"""The colours of right and wrong, RGB: they also differ in lightness, and a mark accompanies each use."""

RIGHT = (31, 157, 85)
WRONG = (200, 30, 45)


def css(colour: tuple[int, int, int]) -> str:
    """Return a colour as CSS and Matplotlib write it.

    >>> css((255, 0, 16))
    '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
