"""Geometry: from JPEG bytes to the network's square frame, decoded and resampled once."""

from typing import Any

import cv2
import numpy as np
import simplejpeg

cv2.setNumThreads(0)  # the pipeline runs images in parallel; threads within an image would fight over the cores

# OpenCV works on four channels half again as fast as on three.
_CHANNELS = 4


class Warp:
    """Decodes a JPEG and resamples it, changed by an affine map, into a frame: bilinear, in one pass.

    The frame is that of `tf.image.resize_with_pad`. Beyond it its edges are repeated; the bands beside an image that is
    not square are black. One for each thread: it keeps the memory that images are decoded into, which stays in the
    processor's cache.

    Args:
        size: S, side of the frame, pixels.
    """

    def __init__(self, size: int):
        self._size = size
        self._decoded = np.empty(0, np.uint8)
        self._bordered = np.empty(0, np.uint8)
        self._frame = np.empty((size, size, _CHANNELS), np.uint8)

    def __call__(self, encoded: Any, geometry: np.ndarray, out: np.ndarray) -> None:
        """Fill a frame.

        Args:
            encoded: JPEG bytes.
            geometry: [3, 3], from a place in the result to one in the frame: (x, y, 1) from the centre, in units of the
                frame's side (`glr.augment.Changes`).
            out: uint8 [S, S, 3], contiguous.

        Raises:
            ValueError: the bytes are no whole JPEG.
        """
        size = self._size
        height, width = map(int, simplejpeg.decode_jpeg_header(encoded)[:2])
        placed = Placement(height, width, size)
        # warpAffine repeats the image's edges; where the frame has a band, one black line is the edge that is repeated.
        above, beside = int(placed.high < size), int(placed.wide < size)
        line = width * _CHANNELS
        need = (height + 2 * above) * line
        if self._decoded.size < need:
            self._decoded = np.empty(need, np.uint8)
        image = self._decoded[:need].reshape(height + 2 * above, width, _CHANNELS)
        inside = self._decoded[above * line : above * line + height * line]
        simplejpeg.decode_jpeg(encoded, "RGBX", buffer=inside)  # as evaluation decodes: the fast ways save 5 %
        if above:
            image[[0, -1]] = 0
        if beside:
            if self._bordered.size < (need := height * (width + 2) * _CHANNELS):
                self._bordered = np.empty(need, np.uint8)
            bordered = self._bordered[:need].reshape(height, width + 2, _CHANNELS)
            image = cv2.copyMakeBorder(image, 0, 0, 1, 1, cv2.BORDER_CONSTANT, dst=bordered)
        cv2.warpAffine(
            image,
            _pixels(placed, geometry, size, above, beside),
            (size, size),
            dst=self._frame,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        cv2.cvtColor(self._frame, cv2.COLOR_RGBA2RGB, dst=out)


class Placement:
    """Where `tf.image.resize_with_pad` puts an image of `height` x `width` pixels in a frame of `size` x `size`.

    The image is scaled to `high` x `wide` pixels, `top` and `left` of which are black.
    """

    def __init__(self, height: int, width: int, size: int):
        ratio = max(height, width) / size
        self.high, self.wide = max(int(height / ratio), 1), max(int(width / ratio), 1)
        self.top, self.left = int((size - height / ratio) / 2), int((size - width / ratio) / 2)
        self.down, self.across = height / self.high, width / self.wide


def letterbox(image: np.ndarray, frame: np.ndarray) -> None:
    """Fit an image uint8 [H, W, 3] into a frame uint8 [S, S, 3], bilinear, with black bands where it is not square."""
    placed = Placement(image.shape[0], image.shape[1], len(frame))
    # In float, as TensorFlow does it: OpenCV's resize of uint8 rounds its weights.
    resized = cv2.resize(image.astype(np.float32), (placed.wide, placed.high), interpolation=cv2.INTER_LINEAR)
    frame[:] = 0
    frame[placed.top : placed.top + placed.high, placed.left : placed.left + placed.wide] = np.rint(resized)


def _pixels(placed: Placement, geometry: np.ndarray, size: int, above: int, beside: int) -> np.ndarray:
    """The map [2, 3] from a pixel of the frame to one of the decoded image with its black lines."""
    # In units of the frame's pixels; their centres are at half-integers, and the frame's x shows the image's
    # (x + 0.5 - left) * across - 0.5.
    (a, b, c), (d, e, f) = geometry[:2].tolist()
    centre = (size - 1) / 2
    x = centre * (1 - a - b) + size * c
    y = centre * (1 - d - e) + size * f
    return np.array(
        [
            [a * placed.across, b * placed.across, (x + 0.5 - placed.left) * placed.across - 0.5 + beside],
            [d * placed.down, e * placed.down, (y + 0.5 - placed.top) * placed.down - 0.5 + above],
        ]
    )
