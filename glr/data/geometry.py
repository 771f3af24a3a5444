"""Geometry: from a decoded image of any size to the network's square frame, in one resampling."""

import cv2
import numpy as np

cv2.setNumThreads(0)  # the pipeline runs images in parallel; threads within an image would fight over the cores


def warp(image: np.ndarray, geometry: np.ndarray, size: int) -> np.ndarray:
    """Letterbox an image and apply an affine change to the frame, in one bilinear resampling.

    The frame is that of `tf.image.resize_with_pad`. Beyond it its edges are repeated; the bands beside an image that is
    not square are black.

    Args:
        image: uint8 [H, W, 3].
        geometry: [3, 3], from a place in the result to one in the frame: (x, y, 1) from the centre, in units of the
            frame's side (`glr.augment.Change`).
        size: S, side of the frame, pixels.

    Returns:
        uint8 [S, S, 3].
    """
    height, width = image.shape[:2]
    ratio = max(height, width) / size
    high, wide = max(int(height / ratio), 1), max(int(width / ratio), 1)
    top, left = int((size - height / ratio) / 2), int((size - width / ratio) / 2)
    # warpAffine repeats the image's edges; where the frame has a band, one black line makes the edge that is repeated.
    above, beside = int(high < size), int(wide < size)
    if above or beside:
        image = cv2.copyMakeBorder(image, above, above, beside, beside, cv2.BORDER_CONSTANT)
    # Pixel centres are at half-integers: the frame's x shows the image's (x + 0.5 - left) * across - 0.5.
    across, down = width / wide, height / high
    to_image = np.array(
        [
            [across, 0, (0.5 - left) * across - 0.5 + beside],
            [0, down, (0.5 - top) * down - 0.5 + above],
            [0, 0, 1],
        ]
    )
    centre = (size - 1) / 2
    to_place = np.array([[1 / size, 0, -centre / size], [0, 1 / size, -centre / size], [0, 0, 1]])
    from_place = np.array([[size, 0, centre], [0, size, centre], [0, 0, 1]])
    return cv2.warpAffine(
        image,
        (to_image @ from_place @ geometry @ to_place)[:2],
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
