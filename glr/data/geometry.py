"""Geometry: decode a JPEG and resample it into the network's square frame."""

import math

import cv2
import numpy as np
import simplejpeg

from glr.data.photo import too_large

cv2.setNumThreads(0)  # the pipeline runs images in parallel; threads within an image would compete for the cores

# OpenCV is 1.5 times as fast on four channels as on three.
_CHANNELS = 4
# Added before truncation to uint8. The order of float sums puts the mean of two pixels slightly below or above a half;
# with slightly more than 0.5, both this code and exported models round it up.
ROUNDING = 0.50137
# TensorFlow's default. Fast chroma upsampling would save another 5 %, but leaves artefacts at colour edges.
FAST_DCT = True


class Warp:
    """Decodes a JPEG and resamples it through an affine map into a frame, bilinear.

    The frame is that of `letterbox`: black bands pad an image that is not square. Outside the frame, its edges are
    repeated. An image that is enlarged is letterboxed first and then warped, so that its bands begin where evaluation's
    do; the identity gives `letterbox`'s frame bit for bit. An image that is reduced is warped once; the identity gives
    the same bands, and pixels to within OpenCV's rounding of positions to 32nds.

    Each thread needs its own instance, because an instance reuses its buffers.

    Args:
        size: S, side of the frame, pixels.
    """

    def __init__(self, size: int):
        self._size = size
        # For rows at multiples of 32 bytes libjpeg bypasses the cache, which makes the next read a third slower.
        self._decoded = aligned(0, 16, 32)
        self._frame = np.empty((size, size, _CHANNELS), np.uint8)
        self._fitted = np.empty((size, size, 3), np.uint8)

    def __call__(self, encoded: bytes | memoryview, geometry: np.ndarray, out: np.ndarray) -> None:
        """Fill a frame.

        Args:
            encoded: JPEG bytes.
            geometry: [3, 3], maps points of the result to points of the frame: (x, y, 1) from the centre, in units of
                the frame's side (`glr.data.augment.Changes`).
            out: uint8 [S, S, 3], contiguous.

        Raises:
            ValueError: the bytes are not a complete JPEG, or the image is too large.
        """
        height, width = map(int, simplejpeg.decode_jpeg_header(encoded)[:2])
        if problem := too_large(height, width):
            raise ValueError(problem)
        if self._decoded.size < (need := height * width * _CHANNELS):
            self._decoded = aligned(need, 16, 32)
        image = self._decoded[:need].reshape(height, width, _CHANNELS)
        simplejpeg.decode_jpeg(encoded, "RGBX", fastdct=FAST_DCT, buffer=image)
        if max(height, width) < self._size:
            self._warp_enlarged(image[:, :, :3], geometry, out)
            return
        placed = Placement(height, width, self._size)
        matrix = _pixels(placed, geometry, self._size)
        # OpenCV fills with black twice as fast as it repeats edges; the edges are then repeated only where they show.
        _resampled(image, matrix, self._frame, cv2.BORDER_CONSTANT)
        for side in placed.sides:
            self._repeat_edge(image, matrix, placed, side)
        cv2.cvtColor(self._frame, cv2.COLOR_RGBA2RGB, dst=out)

    def _warp_enlarged(self, image: np.ndarray, geometry: np.ndarray, out: np.ndarray) -> None:
        """Letterbox an image, then warp the frame: one pass would blur the edges of the bands over enlarged pixels."""
        letterbox(image, self._fitted)
        matrix = _pixels(Placement(self._size, self._size, self._size), geometry, self._size)
        _resampled(self._fitted, matrix, out, cv2.BORDER_REPLICATE)

    def _repeat_edge(self, image: np.ndarray, matrix: list[float], placed: "Placement", side: str) -> None:
        """Redraw the part of the frame that lies beyond one side of the image, with that edge repeated."""
        (height, width), size = image.shape[:2], self._size
        a, b, c, d, e, f = matrix
        across = side in ("left", "right")
        (p, q, r), length = ((a, b, c), width) if across else ((d, e, f), height)
        beyond = (p, q, r) if side in ("left", "top") else (-p, -q, length - 1 - r)
        region = _half_plane([(0.0, 0.0), (size - 1.0, 0.0), (size - 1.0, size - 1.0), (0.0, size - 1.0)], *beyond)
        banded = placed.high < size if across else placed.wide < size
        if banded and region:  # keep the bands black
            (p, q, r), other = ((d, e, f), height) if across else ((a, b, c), width)
            region = _half_plane(_half_plane(region, -p, -q, -r - 1), p, q, r - other)
        if not region:
            return
        xs, ys = zip(*region, strict=True)
        left, right = math.floor(min(xs)), math.ceil(max(xs)) + 1
        top, bottom = math.floor(min(ys)), math.ceil(max(ys)) + 1
        # Resample only the part of the image that the region's corners reach.
        corners = [(x, y) for x in (left, right) for y in (top, bottom)]
        p, q, r = (a, b, c) if across else (d, e, f)
        reach = [p * x + q * y + r for x, y in corners]
        if side in ("left", "top"):
            first, last = 0, min(max(math.ceil(max(reach)) + 2, 1), length)
        else:
            first, last = max(min(math.floor(min(reach)) - 1, length - 1), 0), length
        part = image[:, first:last] if across else image[first:last]
        if banded:
            lines = (1, 1, 0, 0) if across else (0, 0, 1, 1)
            part = cv2.copyMakeBorder(part, *lines, cv2.BORDER_CONSTANT)
        x, y = (-first, int(banded)) if across else (int(banded), -first)
        moved = [a, b, a * left + b * top + c + x, d, e, d * left + e * top + f + y]
        _resampled(part, moved, self._frame[top:bottom, left:right], cv2.BORDER_REPLICATE)


def aligned(size: int, rest: int, divisor: int) -> np.ndarray:
    """Allocate `size` bytes at an address with remainder `rest` modulo `divisor`."""
    memory = np.empty(size + divisor, np.uint8)
    start = (rest - memory.ctypes.data) % divisor
    return memory[start : start + size]


class Placement:
    """The place of an image of `height` x `width` pixels in a `size` x `size` frame.

    The image is scaled to `high` x `wide` pixels, with `top` black rows above it and `left` black columns to its left;
    a pixel of the frame covers `down` x `across` of the image. `sides` lists the sides without a black band.

    This is the frame of `tf.image.resize_with_pad` in whole numbers. TensorFlow divides in float32, which loses a pixel
    of some sizes (333 x 1024 at 224 has 223 columns there, 224 here), and it refuses an image so narrow that no pixel
    would be left (one line here).
    """

    def __init__(self, height: int, width: int, size: int):
        longest = max(height, width)
        self.high, self.wide = max(height * size // longest, 1), max(width * size // longest, 1)
        self.top, self.left = ((longest - side) * size // (2 * longest) for side in (height, width))
        self.down, self.across = height / self.high, width / self.wide
        horizontal = ("left", "right") if self.wide == size else ()
        self.sides = (*horizontal, *(("top", "bottom") if self.high == size else ()))


def letterbox(image: np.ndarray, frame: np.ndarray) -> None:
    """Fit an image uint8 [H, W, 3] into a frame uint8 [S, S, 3], bilinear, with black bands if it is not square.

    The bands are those of `Placement`, and hard: no pixel mixes the image with a band.
    """
    placed = Placement(image.shape[0], image.shape[1], len(frame))
    # Resize in float, like TensorFlow: OpenCV's resize of uint8 rounds its weights.
    resized = cv2.resize(image.astype(np.float32), (placed.wide, placed.high), interpolation=cv2.INTER_LINEAR)
    frame[:] = 0
    rounded = (resized + ROUNDING).astype(np.uint8)
    frame[placed.top : placed.top + placed.high, placed.left : placed.left + placed.wide] = rounded


def _pixels(placed: Placement, geometry: np.ndarray, size: int) -> list[float]:
    """The map (a, b, c, d, e, f) from a frame's pixel (x, y) to the image's (a x + b y + c, d x + e y + f)."""
    # Centres of pixels are at half-integers: the frame's x shows the image's (x + 0.5 - left) * across - 0.5.
    (a, b, c), (d, e, f) = geometry[:2].tolist()
    centre = (size - 1) / 2
    x = centre * (1 - a - b) + size * c + 0.5 - placed.left
    y = centre * (1 - d - e) + size * f + 0.5 - placed.top
    across, down = placed.across, placed.down
    return [a * across, b * across, x * across - 0.5, d * down, e * down, y * down - 0.5]


def _resampled(image: np.ndarray, matrix: list[float], out: np.ndarray, border: int) -> None:
    height, width = out.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(image, np.reshape(matrix, (2, 3)), (width, height), dst=out, flags=flags, borderMode=border)


def _half_plane(polygon: list[tuple[float, float]], a: float, b: float, c: float) -> list[tuple[float, float]]:
    """The part of a convex polygon where a x + b y + c < 0 (Sutherland and Hodgman, 1974)."""
    kept = []
    if polygon:
        x0, y0 = polygon[-1]
        before = a * x0 + b * y0 + c
        for x, y in polygon:
            now = a * x + b * y + c
            if (now < 0) != (before < 0):
                share = before / (before - now)
                kept.append((x0 + share * (x - x0), y0 + share * (y - y0)))
            if now < 0:
                kept.append((x, y))
            x0, y0, before = x, y, now
    return kept
