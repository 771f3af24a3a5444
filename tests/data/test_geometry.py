"""The one resampling: its identity is TensorFlow's letterbox, and each change moves the picture as it says."""

import numpy as np
import pytest
import tensorflow as tf

from glr.data.geometry import warp
from glr.data.pipeline import letterboxed

IDENTITY = np.eye(3)


def picture(height: int, width: int) -> np.ndarray:
    """A smooth picture, so that rounding and half a pixel make little difference."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + c) * np.cos(y / 11 - c) for c in range(3)]
    return (127 + 120 * np.stack(waves, -1)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (100, 100), (60, 100), (100, 60), (96, 62), (70, 150)])
def test_identity_is_the_letterbox_of_evaluation(shape: tuple[int, int]):
    image = picture(*shape)
    ours = warp(image, IDENTITY, 64).astype(int)
    theirs = letterboxed(tf.constant(image), 64).numpy().astype(int)
    np.testing.assert_array_equal(ours.sum(-1) == 0, theirs.sum(-1) == 0)  # the same black bands
    assert np.abs(ours - theirs).max() <= 3


def test_an_enlarged_image_is_the_letterbox_but_for_the_edge_of_its_bands():
    image = picture(48, 31)
    ours, theirs = warp(image, IDENTITY, 64).astype(int), letterboxed(tf.constant(image), 64).numpy().astype(int)
    different = np.abs(ours - theirs).max((0, 2)) > 3
    assert different.sum() <= 4  # columns: the two pixels where image and band meet, on either side
    assert not different[13:49].any()


def test_identity_at_the_frames_own_size_gives_back_the_image():
    image = np.random.default_rng(0).integers(1, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(warp(image, IDENTITY, 64), image)


def test_flip_mirrors():
    image = np.random.default_rng(0).integers(1, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(warp(image, np.diag([-1.0, 1, 1]), 64), image[:, ::-1])


def test_a_shift_shows_what_lies_there_and_repeats_the_edge():
    image = np.random.default_rng(0).integers(1, 256, (64, 64, 3)).astype(np.uint8)
    shift = np.array([[1, 0, 8 / 64], [0, 1, 0], [0, 0, 1]])
    shifted = warp(image, shift, 64)
    np.testing.assert_array_equal(shifted[:, :56], image[:, 8:])
    np.testing.assert_array_equal(shifted[:, 56:], np.repeat(image[:, -1:], 8, 1))


def test_the_bands_move_with_the_picture():
    image = np.full((32, 64, 3), 200, np.uint8)  # in a frame of 64: rows 16 to 47
    shift = np.array([[1, 0, 0], [0, 1, 5 / 64], [0, 0, 1]])
    rows = warp(image, shift, 64)[:, 32, 0]
    np.testing.assert_array_equal(rows, np.where((np.arange(64) >= 11) & (np.arange(64) < 43), 200, 0))


def test_rotation_agrees_with_a_slow_formula():
    image, size = picture(50, 64), 64
    turn = np.radians(20)
    geometry = np.array([[np.cos(turn), np.sin(turn), 0.05], [-np.sin(turn), np.cos(turn), -0.02], [0, 0, 1]])
    result = warp(image, geometry, size).astype(float)
    frame = letterboxed(tf.constant(image), size).numpy().astype(float)
    worst = 0.0
    for y in range(4, 60, 5):
        for x in range(4, 60, 5):
            u, v, _ = geometry @ [(x - 31.5) / size, (y - 31.5) / size, 1]
            u, v = np.clip(u * size + 31.5, 0, 62.999), v * size + 31.5
            if not 9 <= v <= 54:  # near or in the bands (rows 0 to 6 and 57 to 63)
                continue
            i, j, a, b = int(v), int(u), v % 1, u % 1
            value = (1 - a) * ((1 - b) * frame[i, j] + b * frame[i, j + 1])
            value += a * ((1 - b) * frame[i + 1, j] + b * frame[i + 1, j + 1])
            worst = max(worst, np.abs(value - result[y, x]).max())
    assert worst <= 4
