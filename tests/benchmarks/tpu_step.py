"""The train step compared with one written as in the published study, both compiled for a TPU without having one.

python tests/benchmarks/tpu_step.py [TOPOLOGY]      Xception at 441 px, 81,313 classes, 16 images per core

Each line is a step: the study's (float32 images, one-hot labels, angles of all classes, the median by a boolean mask,
Keras's Adam), and this project's in float32 and in bfloat16.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES, SIZE, BATCH, EMBEDDING = 81_313, 441, 128, 512
EXPERIMENT = ["experiment=published/09_xception"]


def main(topology: str = "v3-8") -> None:
    from glr.preflight.compiling import Compiled
    from glr.preflight.topology import GIB

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("study", "float32", "mixed_bfloat16"):
            module = str(Path(folder, name))
            subprocess.run([sys.executable, __file__, "trace", name, module, topology], check=True)
            line = [sys.executable, "-m", "glr.preflight.compiling", module, topology]
            done = subprocess.run(line, check=True, capture_output=True, text=True)
            results[name] = Compiled(**json.loads(done.stdout.splitlines()[-1]))
            result, first = results[name], results["study"]
            print(
                f"{name:<15} {result.seconds * 1e3:6.1f} ms ({result.seconds / first.seconds:.2f})  "
                f"{result.cycles / 1e6:.1f} million cycles ({result.cycles / first.cycles:.2f})  temporaries "
                f"{result.temporaries / GIB:5.2f} GiB ({result.temporaries / first.temporaries:.2f})  arguments "
                f"{result.arguments / GIB:.2f} GiB  {result.flops:.3g} FLOP  {result.accessed / 1e9:.1f} GB",
                flush=True,
            )


def trace(name: str, output: str, topology: str) -> None:
    from glr.config.check import composed
    from glr.config.resolvers import setup
    from glr.devices.startup import import_tensorflow
    from glr.preflight.topology import TOPOLOGIES
    from glr.preflight.tracing import trace as trace_step

    import_tensorflow()
    setup()
    cores = TOPOLOGIES[topology].cores
    if name == "study":
        module = study_step(cores)
    else:
        config, _ = composed("train", [*EXPERIMENT, f"train.precision={name}", f"train.batch_size={BATCH}"])
        module, _ = trace_step(config, replicas=cores, classes=CLASSES, steps_per_epoch=1_580_470 // BATCH)
    Path(output).write_bytes(module)


def study_step(cores: int) -> bytes:
    """Trace Xception + GeM + AdaCos(Semi) + L2 as the study computed them, for one of the replicas."""
    import keras
    import tensorflow as tf

    from glr.preflight.replica import OneOfMany

    share = BATCH // cores
    strategy = OneOfMany(cores)
    with strategy.scope():
        backbone = keras.applications.Xception(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
        embedding, norm = keras.layers.Dense(EMBEDDING), keras.layers.BatchNormalization()
        embedding.build((None, 2048))
        norm.build((None, EMBEDDING))
        exponent = keras.Variable(3.0)
        weights = keras.Variable(tf.random.normal((EMBEDDING, CLASSES)))
        scale = tf.Variable(1.0, trainable=False)
        trained = [*backbone.trainable_variables, *embedding.trainable_variables, exponent]
        trained += [*norm.trainable_variables, weights]
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(trained)

    def cosines(images: tf.Tensor) -> tf.Tensor:
        features = backbone(images, training=True)
        pooled = tf.reduce_mean(tf.abs(tf.pow(tf.maximum(features, 1e-6), exponent.value)), [1, 2]) + 1e-6
        embedded = norm(embedding(pooled ** (1 / exponent.value)), training=True)
        return tf.matmul(tf.nn.l2_normalize(embedded, 1), tf.nn.l2_normalize(weights.value, 0))

    def step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = cosines(images)
            angles = tf.acos(tf.clip_by_value(logits, -1 + 1e-7, 1 - 1e-7))
            own = tf.sort(tf.boolean_mask(angles, labels == 1))
            median = own[tf.size(own) // 2]
            scale.assign(math.log(CLASSES - 1.0) / tf.cos(tf.minimum(math.pi / 4, median)))
            output = tf.nn.softmax(scale * logits)
            losses = keras.losses.categorical_crossentropy(labels, output)
            loss = tf.reduce_sum(losses) / BATCH + 5e-4 * tf.reduce_sum(weights.value**2) / cores
        gradients = tape.gradient(loss, [variable.value for variable in trained])
        optimizer.apply(gradients, trained)
        accuracy = tf.reduce_mean(keras.metrics.categorical_accuracy(labels, output))
        return loss, accuracy

    compiled = tf.function(lambda *batch: strategy.run(step, batch), jit_compile=True)
    batch = tf.TensorSpec((share, SIZE, SIZE, 3)), tf.TensorSpec((share, CLASSES))
    return compiled.experimental_get_compiler_ir(*batch)(stage="hlo_serialized")


if __name__ == "__main__":
    if sys.argv[1:2] == ["trace"]:
        trace(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
