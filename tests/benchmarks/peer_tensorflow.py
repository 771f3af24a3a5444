"""The peers `glr` and `keras` of `tests.benchmarks.step`: a job's train step, and a bare one of the same parts.

The bare step is a plain `tf.function` over the parts as `keras.applications` and Keras's layers give them. Pooling,
head, optimizer and penalty are the job's, and so are TensorFlow's settings for the device.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr.config.check import composed
from glr.config.component import build
from glr.config.resolvers import setup
from glr.optim.schedule import Constant
from glr.train.assembly import train_step
from tests.benchmarks.peer import EMBEDDING, RATE, WEIGHT_DECAY, Peer, processor, serve


def glr(settings: dict[str, Any]) -> Peer:
    """The step as a job makes it, augmentation of colours included."""
    config = job(settings)
    step = train_step(config, build(config.strategy), Constant(peak=RATE), settings["classes"])
    images, labels = batch(settings)
    colours = tf.tile(tf.eye(3, 4)[tf.newaxis], [len(images), 1, 1])
    weights = step.model.trainable_variables
    given = (images, labels, colours)
    trace = partial(step._compiled.get_concrete_function, given)
    return peer(trace, lambda: step(given), lambda outcome: float(outcome[0]), weights)


def bare(settings: dict[str, Any]) -> Peer:
    """The shortest step that trains the same network."""
    config = job(settings)
    build(config.strategy)
    keras.mixed_precision.set_global_policy(settings["precision"])
    backbone = build(config.backbone, image_size=settings["size"])
    features = build(config.pooling)(backbone.output)
    norm = keras.layers.BatchNormalization(dtype="float32")
    network = keras.Model(backbone.input, norm(keras.layers.Dense(EMBEDDING)(features)))
    head, regularization = build(config.head, num_classes=settings["classes"]), build(config.regularization)
    head.build((None, EMBEDDING))
    weights = network.trainable_variables + head.trainable_variables
    optimizer = build(config.optimizer, learning_rate=Constant(peak=RATE))
    optimizer.build(weights)
    images, labels = batch(settings)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses, _ = head(network(tf.cast(images, tf.float32) / 127.5 - 1.0, training=True), labels)
            loss = tf.reduce_mean(losses) + regularization.penalty(network, head)
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return loss

    trace = partial(step.get_concrete_function, images, labels)  # pyright: ignore[reportFunctionMemberAccess]
    return peer(trace, lambda: step(images, labels), float, weights)


def job(settings: dict[str, Any]) -> DictConfig:
    """The config of a job with these settings."""
    setup()
    config, _ = composed(
        "train",
        [
            f"backbone={settings['backbone']}",
            "backbone.weights=null",
            "head=adacos_semi",
            "optimizer=adam",
            "regularization=l2",
            f"regularization.weight_decay={WEIGHT_DECAY}",
            f"model.embedding_size={EMBEDDING}",
            f"data.image_size={settings['size']}",
            "data.normalization=minus_one_one",
            f"train.batch_size={settings['batch']}",
            f"train.precision={settings['precision']}",
        ],
    )
    return config


def batch(settings: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """Random images uint8 [B, S, S, 3] and labels int32 [B], on the device."""
    random, size = np.random.default_rng(0), settings["size"]
    images = random.integers(0, 256, (settings["batch"], size, size, 3), np.uint8)
    labels = random.integers(0, settings["classes"], settings["batch"], np.int32)
    with tf.device("/gpu:0" if tf.config.list_physical_devices("GPU") else "/cpu:0"):
        return tf.constant(images), tf.constant(labels)


def peer(
    trace: Callable[[], object], step: Callable[[], Any], loss: Callable[[Any], float], weights: list[keras.Variable]
) -> Peer:
    """Describe a step on the device that TensorFlow uses."""
    gpus = tf.config.list_physical_devices("GPU")
    return Peer(
        trace,
        step,
        loss,
        (lambda: tf.config.experimental.get_memory_info("GPU:0")["peak"]) if gpus else None,
        lambda: sum(int(np.prod(weight.shape)) for weight in weights),
        tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else processor(),
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    )


if __name__ == "__main__":
    serve({"glr": glr, "keras": bare}[sys.argv[1]])
