"""Images of any size go through a SavedModel's signature, one by one."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from glr.export.runtimes import saved_model


def test_each_image_gets_its_descriptor(tmp_path: Path):
    module = tf.Module()
    mean = tf.function(
        lambda input_image: {"global_descriptor": tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])},
        [tf.TensorSpec([None, None, 3], tf.uint8, "input_image")],
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": mean})
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in ((3, 5), (7, 2), (1, 1))]
    np.savez(tmp_path / "images.npz", *images)
    saved_model.main(*(str(tmp_path / name) for name in ("model", "images.npz", "out.npy")))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), [image.mean((0, 1)) for image in images], rtol=1e-5)
