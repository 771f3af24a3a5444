"""The letterbox of training in NumPy, for exported files that take images of one size. Model cards show its source."""

import numpy as np


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """Fit an image uint8 [H, W, 3] into a square uint8 [size, size, 3], bilinear, with black bands."""
    frame, pixels, longest = np.zeros((size, size, 3), np.uint8), image.astype(np.float32), max(image.shape[:2])
    wide, high = (max(side * size // longest, 1) for side in (image.shape[1], image.shape[0]))
    for axis, target in ((1, wide), (0, high)):
        last = pixels.shape[axis] - 1
        places = np.clip((np.arange(target) + 0.5) * ((last + 1) / target) - 0.5, 0, last)
        shares = (places % 1).astype(np.float32).reshape((-1, 1) if axis else (-1, 1, 1))
        before, after = (pixels.take(np.minimum(places.astype(int) + more, last), axis) for more in (0, 1))
        pixels = before * (1 - shares) + after * shares
    top, left = ((longest - side) * size // (2 * longest) for side in image.shape[:2])
    # Truncation of this sum rounds halves up, also where float32 is just below them.
    frame[top : top + high, left : left + wide] = pixels + 0.50137
    return frame
