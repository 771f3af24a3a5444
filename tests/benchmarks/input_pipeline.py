"""Speed of the train pipeline, compared with decoding alone and a plain tf.image pipeline, and stalls at its end.

python tests/benchmarks/input_pipeline.py            both parts
python tests/benchmarks/input_pipeline.py speed      images/s on 1 core and on 2, in turns, the best of 3
python tests/benchmarks/input_pipeline.py stall      seconds from the last step to the end of training and of evaluation
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from glr.data.augment import Study
from glr.data.pictures import StoredPictures, batches
from glr.data.pipeline import TrainPipeline
from glr.data.preparation import prepare
from glr.data.prepared import PreparedData
from glr.data.source import FolderSource
from glr.data.tfrecord import parse
from glr.devices.startup import import_tensorflow

SIZE, BATCH, BATCHES = 441, 32, 16
STUDY = Study(flip=0.5, brightness=0.2, hue=0.2, rotation=15.0, shear=5.0, zoom=0.1, shift=16 / 441)


def photo(number: int, target: int = 100_000) -> bytes:
    """A JPEG of 800 x 600 pixels (every third upright) and about 100 kB: noise on all scales, as photos have."""
    random = np.random.default_rng(number)
    height, width = (800, 600) if number % 3 == 0 else (600, 800)
    image = np.full((height, width, 3), 127, np.float32)
    for cells, strength in ((4, 60), (16, 40), (64, 25), (200, 16), (600, 9)):
        noise = random.normal(0, strength, (max(2, cells * height // width), cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    encoded = [simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420") for quality in range(60, 98, 3)]
    return min(encoded, key=lambda content: abs(len(content) - target))


def photos(folder: Path, count: int, different: int = 64) -> PreparedData:
    """Prepare a set of `count` photos, a quarter of the classes for retrieval."""
    made = [photo(number) for number in range(min(count, different))]
    for number in range(count):
        file = folder / "photos" / str(number % 8) / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made[number % len(made)])
    source = FolderSource(path=str(folder / "photos"), retrieval_classes=0.25, query_images=0.25, seed=0)
    return prepare(source, folder / "set", settings={})


def speed(data: PreparedData, _folder: Path) -> None:
    """Print images/s of each way on one core and on two."""
    for cores in (1, min(2, len(CORES))):
        ways: dict[str, Callable[[], Iterator[Any]]] = {
            "decode only, tf.io.decode_jpeg": partial(tensorflow_decode, data, cores),
            "decode only, this pipeline's decoder": partial(own_decode, data, cores),
            "plain tf.image pipeline": partial(plain, data, cores),
            "this pipeline": partial(own, data, cores),
            "this pipeline, through tf.data to the device": partial(fed, data, cores),
        }
        best = dict.fromkeys(ways, 0.0)
        for _turn in range(3):
            for name, way in ways.items():
                best[name] = max(best[name], images_per_second(way, cores))
        print(f"\n{cores} core{'s' if cores > 1 else ''}{'images/s':>48}{'of plain':>12}{'of decode (tf)':>16}")
        limit, reference = best["decode only, tf.io.decode_jpeg"], best["plain tf.image pipeline"]
        for name, rate in best.items():
            print(f"{name:<48}{rate:>7.0f}{rate / reference:>12.2f}{rate / limit:>16.0%}")


def images_per_second(way: Callable[[], Iterator[Any]], cores: int) -> float:
    """Measure the rate of a pipeline that is already running, on this many cores."""
    use(CORES[:cores])
    batches = way()
    for _ in islice(batches, 3):  # do not count batches that were filled ahead
        pass
    began = time.perf_counter()
    for _ in islice(batches, BATCHES):
        pass
    seconds = time.perf_counter() - began
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    return BATCH * BATCHES / seconds


CORES = sorted(os.sched_getaffinity(0))


def use(cores: list[int]) -> None:
    """Pin every thread of this process to some cores."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(int(thread.name), cores)


def own(data: PreparedData, cores: int) -> Iterator[Any]:
    """The train pipeline with the study's augmentation."""
    return pipeline(data, cores).batches()


def fed(data: PreparedData, cores: int) -> Iterator[Any]:
    """The train pipeline, fed to the device as in training."""
    import tensorflow as tf

    from glr.train.feed import Feed

    yield from Feed(pipeline(data, cores), tf.distribute.OneDeviceStrategy("/cpu:0"), 0, 10**6)


def pipeline(data: PreparedData, cores: int) -> TrainPipeline:
    return TrainPipeline(data, STUDY, image_size=SIZE, batch_size=BATCH, seed=0, shuffle_buffer=256, parallelism=cores)


def own_decode(data: PreparedData, cores: int) -> Iterator[Any]:
    """Decoding only, in threads, from memory."""
    (shard,) = data.shards["train"]
    stored = (record for block in range(len(shard.blocks)) for _, record in data.read_block(shard, block))
    encoded = [parse(record).encoded for record in stored]
    decode = partial(simplejpeg.decode_jpeg, fastdct=True)
    with ThreadPoolExecutor(cores) as pool:
        while True:
            for start in range(0, len(encoded) - BATCH + 1, BATCH):
                yield list(pool.map(decode, encoded[start : start + BATCH]))


def tensorflow_decode(data: PreparedData, cores: int) -> Iterator[Any]:
    """Decoding only, in tf.data."""
    import tensorflow as tf

    def decoded(record: Any) -> Any:
        return tf.shape(tf.io.decode_jpeg(parsed(record)["image/encoded"], channels=3))

    yield from records(data).map(decoded, cores).batch(BATCH).prefetch(2).with_options(options(cores))


def plain(data: PreparedData, cores: int) -> Iterator[Any]:
    """The published study's pipeline: one tf.image function after the other on float32, the affine map by gather_nd."""
    import tensorflow as tf

    def example(record: Any) -> Any:
        features = parsed(record)
        image = tf.cast(tf.io.decode_jpeg(features["image/encoded"], channels=3), tf.float32) / 127.5 - 1.0
        image = tf.image.resize_with_pad(image, SIZE, SIZE)
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 0.2)
        image = tf.image.random_hue(image, 0.2)
        return affine(image), features["image/class/label"]

    def affine(image: Any) -> Any:
        turn, slant = (tf.random.normal([], 0.0, degrees) * np.pi / 180 for degrees in (15.0, 5.0))
        high, wide = (1.0 + tf.random.normal([], 0.0, 0.1) for _ in range(2))
        down, right = (tf.random.normal([], 0.0, 16.0) for _ in range(2))
        one, zero = tf.constant(1.0), tf.constant(0.0)
        rotate = [[tf.cos(turn), tf.sin(turn), zero], [-tf.sin(turn), tf.cos(turn), zero], [zero, zero, one]]
        shear = [[one, tf.sin(slant), zero], [zero, tf.cos(slant), zero], [zero, zero, one]]
        zoom = [[1 / high, zero, zero], [zero, 1 / wide, zero], [zero, zero, one]]
        shift = [[one, zero, down], [zero, one, right], [zero, zero, one]]
        matrix = tf.stack(rotate) @ tf.stack(shear) @ tf.stack(zoom) @ tf.stack(shift)
        rows, columns = tf.meshgrid(tf.range(SIZE), tf.range(SIZE), indexing="ij")
        places = tf.stack([tf.reshape(rows, [-1]), tf.reshape(columns, [-1]), tf.ones([SIZE * SIZE], tf.int32)])
        centred = tf.cast(places, tf.float32) - tf.constant([[SIZE / 2], [SIZE / 2], [0.0]])
        source = tf.cast((matrix @ centred)[:2] + SIZE / 2, tf.int32)
        source = tf.clip_by_value(source, 0, SIZE - 1)
        return tf.reshape(tf.gather_nd(image, tf.transpose(source)), [SIZE, SIZE, 3])

    shuffled = records(data).shuffle(256)
    yield from shuffled.map(example, cores).batch(BATCH).prefetch(2).with_options(options(cores))


def records(data: PreparedData) -> Any:
    import tensorflow as tf

    return tf.data.TFRecordDataset(data.files("train")).repeat()


def parsed(record: Any) -> Any:
    import tensorflow as tf

    features = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_single_example(record, features | {"image/class/label": tf.io.FixedLenFeature([], tf.int64)})


def options(cores: int) -> Any:
    import tensorflow as tf

    made = tf.data.Options()
    made.autotune.enabled = False
    made.threading.private_threadpool_size = cores
    return made


def stall(data: PreparedData, folder: Path) -> None:
    """Print how long training and evaluation continue after their last step, for epochs of several lengths."""
    import keras
    import tensorflow as tf

    from glr.model.backbone import SmallCNN
    from glr.model.head.norm_softmax import NormSoftmax
    from glr.model.network import RetrievalModel
    from glr.model.pooling import GeM
    from glr.optim.regularization import Unregularized
    from glr.optim.schedule import Constant
    from glr.retrieval.extraction import Extractor
    from glr.retrieval.sets import prepared
    from glr.train.evaluator import Evaluator
    from glr.train.feed import Feed
    from glr.train.interruption import Interruption
    from glr.train.loop import Loop
    from glr.train.state import State
    from glr.train.step import TrainStep

    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model = RetrievalModel(
            SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=0.9, image_size=SIZE),
            GeM(p=3.0, learnable=True, floor=1e-6),
            NormSoftmax(num_classes=data.classes, scale=10.0),
            embedding_size=16,
            batchnorm_momentum=0.9,
            normalization="minus_one_one",
        )
        optimizer = keras.optimizers.Adam(1e-3)
    step = TrainStep(model, optimizer, Constant(peak=1e-3), Unregularized(), strategy, BATCH)
    last = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal last
            result = function(*arguments)
            last = time.perf_counter()
            return result

        return call

    step._compiled = timed(step._compiled)  # pyright: ignore[reportAttributeAccessIssue]
    extractor = Extractor(model, strategy, BATCH)
    extractor._compiled = timed(extractor._compiled)
    evaluator = Evaluator(prepared(data, neighbors=1), extractor, parallelism=2, memory=1.0, dtype="float32")
    print(f"\n{'':<24}{'seconds':>10}{'from the last step to the end':>34}")
    for steps in (1, 4, 16, 64, 128):
        began = time.perf_counter()
        feed = Feed(pipeline(data, 2), strategy, 0, steps)
        with Interruption() as interruption:
            Loop(step, feed, State(), steps_per_epoch=steps, interruption=interruption).epoch()
        del feed
        ended = time.perf_counter()
        print(f"{f'epoch of {steps} steps':<24}{ended - began:>10.2f}{ended - last:>34.3f}")
    for name in ("first evaluation", "second evaluation"):
        began = time.perf_counter()
        evaluator(folder / "descriptors")
        ended = time.perf_counter()
        print(f"{name:<24}{ended - began:>10.2f}{ended - last:>34.3f}")
    began = time.perf_counter()
    for _ in batches(StoredPictures(data, "train"), image_size=SIZE, batch_size=BATCH, parallelism=2):
        last = time.perf_counter()
    print(f"{'reading all images':<24}{last - began:>10.2f}{time.perf_counter() - last:>34.3f}")


def main() -> None:
    parts = {"speed": speed, "stall": stall}
    wanted = sys.argv[1:] or list(parts)
    with tempfile.TemporaryDirectory() as folder:
        data = photos(Path(folder), 768)
        import_tensorflow()
        for name in wanted:
            parts[name](data, Path(folder))


if __name__ == "__main__":
    main()
