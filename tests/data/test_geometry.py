"""The one resampling: its identity is TensorFlow's letterbox, and each change moves the picture as it says."""

import numpy as np
import pytest
import simplejpeg
import tensorflow as tf

from glr.data.geometry import Warp, letterbox

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
    return encoded, simplejpeg.decode_jpeg(encoded)


def warp(encoded: bytes, geometry: np.ndarray, size: int) -> np.ndarray:
    out = np.empty((size, size, 3), np.uint8)
    Warp(size)(encoded, geometry, out)
    return out


def letterboxed(image: np.ndarray, size: int) -> np.ndarray:
    return tf.round(tf.image.resize_with_pad(image, size, size)).numpy().astype(int)


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


def test_an_enlarged_image_is_the_letterbox_but_for_the_edge_of_its_bands():
    encoded, image = coded(picture(48, 31))
    ours, theirs = warp(encoded, IDENTITY, 64).astype(int), letterboxed(image, 64)
    different = np.abs(ours - theirs).max((0, 2)) > 3
    assert different.sum() <= 4  # columns: the two pixels where image and band meet, on either side
    assert not different[13:49].any()


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


@pytest.mark.parametrize("shape", [(50, 64), (64, 50)])
def test_rotation_agrees_with_a_slow_formula(shape: tuple[int, int]):
    size = 64
    encoded, image = coded(picture(*shape))
    turn = np.radians(20)
    geometry = np.array([[np.cos(turn), np.sin(turn), 0.05], [-np.sin(turn), np.cos(turn), -0.02], [0, 0, 1]])
    result, frame = warp(encoded, geometry, size).astype(float), letterboxed(image, size).astype(float)
    worst, compared = 0.0, 0
    for y in range(4, 60, 5):
        for x in range(4, 60, 5):
            u, v, _ = geometry @ [(x - 31.5) / size, (y - 31.5) / size, 1]
            u, v = u * size + 31.5, v * size + 31.5
            if not (9 <= u <= 54 and 9 <= v <= 54):  # near or in the bands, or beyond the frame
                continue
            i, j, a, b = int(v), int(u), v % 1, u % 1
            value = (1 - a) * ((1 - b) * frame[i, j] + b * frame[i, j + 1])
            value += a * ((1 - b) * frame[i + 1, j] + b * frame[i + 1, j + 1])
            worst, compared = max(worst, np.abs(value - result[y, x]).max()), compared + 1
    assert compared > 60
    assert worst <= 4


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
