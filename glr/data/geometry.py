"""Geometry: from a decoded image of any size to the network's square frame, in one resampling."""

import cv2
import numpy as np

cv2.setNumThreads(0)  # the pipeline runs images in parallel; threads within an image would fight over the cores


def letterbox(height: int, width: int, size: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Fit an image into a square frame, keeping its shape, as `tf.image.resize_with_pad` does.

    Args:
        height, width: of the image, pixels.
        size: side of the frame, pixels.

    Returns:
        The [3, 3] matrix from a pixel (x, y, 1) of the frame to the pixel of the image that it shows, and the part of
        the frame that the image covers: left, top, right, bottom (the latter two exclusive).
    """
    ratio = max(height, width) / size
    high, wide = max(int(height / ratio), 1), max(int(width / ratio), 1)
    top, left = (size - high) // 2, (size - wide) // 2
    across, down = width / wide, height / high
    # Pixel centres are at half-integers: frame x + 0.5 - left corresponds to image (x' + 0.5) / across.
    matrix = np.array(
        [[across, 0, (0.5 - left) * across - 0.5], [0, down, (0.5 - top) * down - 0.5], [0, 0, 1]], np.float64
    )
    return matrix, (left, top, left + wide, top + high)


def warp(image: np.ndarray, geometry: np.ndarray, size: int) -> np.ndarray:
    """Letterbox an image and apply an affine change to the frame, in one bilinear resampling.

    Beyond the frame its edges are repeated; the bands beside an image that is not square are black.

    Args:
        image: uint8 [H, W, 3].
        geometry: [3, 3], from a place in the result to one in the frame: (x, y, 1) from the centre, in units of the
            frame's side (`glr.augment.Change`).
        size: S, side of the frame, pixels.

    Returns:
        uint8 [S, S, 3].
    """
    height, width = image.shape[:2]
    to_image, (left, top, right, bottom) = letterbox(height, width, size)
    centre = (size - 1) / 2
    to_place = np.array([[1 / size, 0, -centre / size], [0, 1 / size, -centre / size], [0, 0, 1]])
    from_place = np.array([[size, 0, centre], [0, size, centre], [0, 0, 1]])
    to_frame = from_place @ geometry @ to_place
    result = cv2.warpAffine(
        image,
        (to_image @ to_frame)[:2],
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # warpAffine repeats the image's own edges; where those are not the frame's edges, the frame is black.
    from_frame = np.linalg.inv(to_frame)
    far = 4 * size
    for covered, band in (
        (top > 0, [(-far, -far), (far, -far), (far, top - 0.5), (-far, top - 0.5)]),
        (bottom < size, [(-far, bottom - 0.5), (far, bottom - 0.5), (far, far), (-far, far)]),
        (left > 0, [(-far, -far), (left - 0.5, -far), (left - 0.5, far), (-far, far)]),
        (right < size, [(right - 0.5, -far), (far, -far), (far, far), (right - 0.5, far)]),
    ):
        if covered:
            corners = from_frame[:2, :2] @ np.array(band, float).T + from_frame[:2, 2:]
            # Corners in 1/16 pixels. fillConvexPoly includes its outline, hence the bands' halves of a pixel.
            cv2.fillConvexPoly(result, np.round(corners.T * 16).astype(np.int32), (0, 0, 0), shift=4)
    return result
