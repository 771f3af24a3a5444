"""The one resampling: its identity is TensorFlow's letterbox, and each change moves the picture as it says."""

import numpy as np
import pytest
import simplejpeg
import tensorflow as tf

from glr.data.augment import Study
from glr.data.geometry import ROUNDING, Warp, letterbox
from glr.data.randomness import uniforms

IDENTITY = np.eye(3)


def picture(height: int, width: int) -> np.ndarray:
    """A smooth picture, so that rounding and half a pixel make little difference."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + c) * np.cos(y / 11 - c) for c in range(3)]
    return (127 + 120 * np.stack(waves, -1)).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)


def coded(image: np.ndarray) -> tuple[bytes, np.ndarray]:
    """The image as a JPEG, and as that is decoded."""
    encoded = simplejpeg.encode_jpeg(image, quality=100, colorsubsampling="444")
    return encoded, simplejpeg.decode_jpeg(encoded, fastdct=True)


def warp(encoded: bytes, geometry: np.ndarray, size: int) -> np.ndarray:
    out = np.empty((size, size, 3), np.uint8)
    Warp(size)(encoded, geometry, out)
    return out


def letterboxed(image: np.ndarray, size: int) -> np.ndarray:
    # What lies half-way is rounded up, and a little below it, too.
    return tf.floor(tf.image.resize_with_pad(image, size, size) + ROUNDING).numpy().astype(int)


SHAPES = [(64, 64), (100, 100), (60, 100), (100, 60), (96, 62), (70, 150), (48, 31), (1, 1), (601, 799)]


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluations_letterbox_is_tensorflows(shape: tuple[int, int]):
    image = noise(*shape)
    frame = np.full((64, 64, 3), 7, np.uint8)
    letterbox(image, frame)
    difference = np.abs(frame - letterboxed(image, 64))
    assert difference.max() <= 1  # where rounding is close
    assert (difference > 0).mean() < 0.002


@pytest.mark.parametrize("shape", [(64, 64), (100, 100), (60, 100), (100, 60), (96, 62), (70, 150)])
def test_identity_is_the_letterbox_of_evaluation(shape: tuple[int, int]):
    encoded, image = coded(picture(*shape))
    ours, theirs = warp(encoded, IDENTITY, 64).astype(int), letterboxed(image, 64)
    np.testing.assert_array_equal(ours.sum(-1) == 0, theirs.sum(-1) == 0)  # the same black bands
    assert np.abs(ours - theirs).max() <= 3


@pytest.mark.parametrize("shape", [(48, 31), (31, 48), (20, 20), (9, 9), (1, 40)])
def test_the_identity_of_an_enlarged_image_is_evaluations_letterbox_bit_for_bit(shape: tuple[int, int]):
    encoded, image = coded(noise(*shape))
    frame = np.empty((64, 64, 3), np.uint8)
    letterbox(image, frame)
    np.testing.assert_array_equal(warp(encoded, IDENTITY, 64), frame)
    np.testing.assert_array_equal(warp(encoded, np.diag([-1.0, 1, 1]), 64), frame[:, ::-1])


def test_the_bands_of_an_enlarged_image_have_hard_edges():
    frame = warp(coded(np.full((100, 150, 3), 200, np.uint8))[0], IDENTITY, 224)
    high, top = 100 * 224 // 150, 37  # 149 rows: 37 black rows above them, 38 below
    np.testing.assert_array_equal(frame[:, 112, 0], [0] * top + [200] * high + [0] * (224 - top - high))


@pytest.mark.parametrize(
    ("shape", "size", "filled"),
    [((333, 1024), 224, (72, 224)), ((58, 58), 224, (224, 224)), ((3, 3), 331, (331, 331)), ((35, 56), 24, (15, 24))],
)
def test_the_longest_side_fills_the_frame(shape: tuple[int, int], size: int, filled: tuple[int, int]):
    """Floats would lose a pixel of these: 58 / (58 / 224) is less than 224."""
    encoded, image = coded(np.full((*shape, 3), 200, np.uint8))
    frame = np.empty((size, size, 3), np.uint8)
    letterbox(image, frame)
    for each in (frame, warp(encoded, IDENTITY, size)):
        rows, columns = ((each > 0).any((other, 2)).sum() for other in (1, 0))
        assert (rows, columns) == filled
    assert (tf.image.resize_with_pad(np.full((333, 1024, 3), 200, np.uint8), 224, 224).numpy() > 0)[112].any(
        1
    ).sum() == 223


def test_identity_at_the_frames_own_size_gives_back_the_image():
    encoded, image = coded(noise(64, 64))
    np.testing.assert_array_equal(warp(encoded, IDENTITY, 64), image)


def test_flip_mirrors():
    encoded, image = coded(noise(64, 64))
    np.testing.assert_array_equal(warp(encoded, np.diag([-1.0, 1, 1]), 64), image[:, ::-1])


def test_a_shift_shows_what_lies_there_and_repeats_the_edge():
    encoded, image = coded(noise(64, 64))
    shift = np.array([[1, 0, 8 / 64], [0, 1, 0], [0, 0, 1]])
    shifted = warp(encoded, shift, 64)
    np.testing.assert_array_equal(shifted[:, :56], image[:, 8:])
    np.testing.assert_array_equal(shifted[:, 56:], np.repeat(image[:, -1:], 8, 1))


@pytest.mark.parametrize("upright", [False, True])
def test_the_bands_move_with_the_picture(upright: bool):
    image = np.full((32, 64, 3), 200, np.uint8)  # in a frame of 64: rows 16 to 47
    shift = np.array([[1, 0, 0], [0, 1, 5 / 64], [0, 0, 1]])
    if upright:
        image, shift = image.swapaxes(0, 1), shift[[1, 0, 2]][:, [1, 0, 2]]
    frame = warp(coded(np.ascontiguousarray(image))[0], shift, 64)
    line = frame[32, :, 0] if upright else frame[:, 32, 0]
    np.testing.assert_array_equal(line, np.where((np.arange(64) >= 11) & (np.arange(64) < 43), 200, 0))


def slowly(image: np.ndarray, geometry: np.ndarray, size: int) -> np.ndarray:
    """The frame by the formula alone: every place mapped to the image, edges clamped, bands black, float bilinear."""
    height, width = image.shape[:2]
    ratio = max(height, width) / size
    high, wide = int(height / ratio), int(width / ratio)
    top, left = int((size - height / ratio) / 2), int((size - width / ratio) / 2)
    if ratio < 1:  # letterboxed first: rows and columns of the image, then black bands
        v, u = (np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1) for n, m in ((high, height), (wide, width)))
        fitted = sampled(image.astype(float), *np.meshgrid(v, u, indexing="ij"))
        image = np.pad(fitted, ((top, size - high - top), (left, size - wide - left), (0, 0)))
        height = width = high = wide = size
        top = left = 0
    y, x = np.mgrid[:size, :size]
    places = np.stack([(x + 0.5) / size - 0.5, (y + 0.5) / size - 0.5, np.ones((size, size))], -1) @ geometry.T
    u = (places[..., 0] * size + size / 2 - left) * width / wide - 0.5
    v = (places[..., 1] * size + size / 2 - top) * height / high - 0.5
    black = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)), "edge" if high == wide else "constant")
    if high < wide == size:
        black[1:-1, [0, -1]] = image[:, [0, -1]]
    elif wide < high:
        black[[0, -1], 1:-1] = image[[0, -1]]
    return sampled(black, np.clip(v + 1, 0, height + 0.999), np.clip(u + 1, 0, width + 0.999))


def sampled(image: np.ndarray, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The image at rows v and columns u, bilinear."""
    i, j = v.astype(int), u.astype(int)
    a, b = (v - i)[..., None], (u - j)[..., None]
    below, right = np.minimum(i + 1, len(image) - 1), np.minimum(j + 1, image.shape[1] - 1)
    upper = (1 - b) * image[i, j] + b * image[i, right]
    return (1 - a) * upper + a * ((1 - b) * image[below, j] + b * image[below, right])


@pytest.mark.parametrize("shape", [(64, 64), (90, 90), (60, 100), (100, 60), (96, 62), (40, 150), (31, 48), (20, 20)])
def test_any_change_agrees_with_a_slow_formula(shape: tuple[int, int]):
    encoded, image = coded(picture(*shape))
    strong = Study(flip=0.5, brightness=0.0, hue=0.0, rotation=40.0, shear=15.0, zoom=0.25, shift=0.2)
    geometries = strong.changes(uniforms(0, 0, 0, 60, strong.draws)).geometry
    extremes = [np.diag([4.0, 4, 1]), np.diag([0.2, 0.2, 1]), np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])]
    extremes.append(np.array([[1, 0, 2.0], [0, 1, 0], [0, 0, 1]]))  # all of it beyond the right edge
    for geometry in (IDENTITY, *extremes, *geometries):
        difference = np.abs(warp(encoded, geometry, 64) - slowly(image, geometry, 64))
        # OpenCV counts in 32nds of a pixel, which shows where image and band meet.
        assert np.quantile(difference, 0.98) <= 3
        assert (difference > 12).mean() <= 0.005


@pytest.mark.parametrize("shape", [(3, 500), (500, 1)])
def test_a_very_narrow_image_is_one_line(shape: tuple[int, int]):
    encoded, image = coded(np.full((*shape, 3), 200, np.uint8))
    frame = np.empty((64, 64, 3), np.uint8)
    letterbox(image, frame)  # where TensorFlow's fails
    assert (frame > 0).any((1 if shape[0] < shape[1] else 0, 2)).sum() == 1
    assert warp(encoded, IDENTITY, 64).max() > 100


def test_one_after_the_other_leaves_no_trace():
    shapes = [(100, 60), (30, 90), (64, 64), (20, 20), (90, 31)]
    images = [coded(noise(*shape))[0] for shape in shapes]
    geometry = np.array([[0.9, 0.2, 0.1], [-0.1, 1.1, 0], [0, 0, 1]])
    one = Warp(64)
    for encoded in images + images[::-1]:
        out = np.empty((64, 64, 3), np.uint8)
        one(encoded, geometry, out)
        np.testing.assert_array_equal(out, warp(encoded, geometry, 64))


def test_what_is_no_jpeg_is_refused():
    encoded, _ = coded(picture(64, 64))
    for bad in (b"", b"no picture", encoded[:200], encoded[:-400]):
        with pytest.raises(ValueError, match="JPEG"):
            warp(bad, IDENTITY, 64)
