"""Speed of the train pipeline, compared with decoding alone and a plain tf.image pipeline, and stalls at its end.

    python -m tests.benchmarks.input_pipeline parts=speed,stall threads=1,2 seconds=2
    python -m tests.benchmarks.input_pipeline parts=speed threads=1,2,4,8,16 ways=decode,pipeline,device

- speed: images/s with these numbers of threads, each on a core of its own; numbers above the machine's cores are left
  out. For each number each of `ways` runs `seconds`, in 3 turns with the others; the best turn counts. Scaling is the
  growth of images/s since the first number of threads, in percent of the growth of `tf.io.decode_jpeg`'s.
- stall: seconds from the last step to the end of training and of evaluation.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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

SIZE, BATCH, TURNS = 441, 32, 3
STUDY = Study(flip=0.5, brightness=0.2, hue=0.2, rotation=15.0, shear=5.0, zoom=0.1, shift=16 / 441)


def photo(number: int, target: int = 100_000, side: int = 800) -> bytes:
    """A JPEG of `side` by 3/4 `side` pixels (every third upright) and about `target` bytes: noise on all scales."""
    random = np.random.default_rng(number)
    height, width = (side, side * 3 // 4) if number % 3 == 0 else (side * 3 // 4, side)
    image = np.full((height, width, 3), 127, np.float32)
    for cells, strength in ((4, 60), (16, 40), (64, 25), (200, 16), (600, 9)):
        noise = random.normal(0, strength, (max(2, cells * height // width), cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    encoded = [simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420") for quality in range(60, 98, 3)]
    return min(encoded, key=lambda content: abs(len(content) - target))


def photos(folder: Path, count: int, different: int = 64) -> PreparedData:
    """Prepare a set of `count` photos, a quarter of the classes for retrieval."""
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(photo, range(min(count, different))))
    for number in range(count):
        file = folder / "photos" / str(number % 8) / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made[number % len(made)])
    source = FolderSource(path=str(folder / "photos"), retrieval_classes=0.25, query_images=0.25, seed=0)
    return prepare(source, folder / "set", settings={})


def speed(data: PreparedData, threads: Sequence[int], seconds: float, ways: Sequence[str]) -> None:
    """Print images/s of each way, and how it scales, for each number of threads that the machine has cores for."""
    alone: dict[str, float] = {}
    for cores in (number for number in threads if number <= len(CORES)):
        best = dict.fromkeys(ways, 0.0)
        for _turn in range(TURNS):
            for name in ways:
                rate = images_per_second(WAYS[name][1](data, cores), cores, seconds / TURNS)
                best[name] = max(best[name], rate)
        scaling = {name: rate / cores / alone.setdefault(name, rate / cores) for name, rate in best.items()}
        print(f"\n{f'threads: {cores}':<48}{'images/s':>10}{'of decode':>11}{'scaling, of decode':>20}")
        for name, rate in best.items():
            of_decode = f"{rate / best['decode']:>11.0%}{scaling[name] / scaling['decode']:>20.0%}"
            print(f"{name + ': ' + WAYS[name][0]:<48}{rate:>10.0f}{of_decode}", flush=True)
    if left_out := [number for number in threads if number > len(CORES)]:
        print(f"\nleft out, as there are {len(CORES)} cores: threads={','.join(map(str, left_out))}")


def images_per_second(batches: Iterator[Any], cores: int, seconds: float) -> float:
    """Measure the rate of a pipeline that is already running, on this many cores, for at least these seconds."""
    use(CORES[:cores])
    for _ in islice(batches, 3):  # do not count batches that were filled ahead
        pass
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds:
        next(batches)
        count += 1
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    return BATCH * count / taken


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
        for _ in Loop(step, feed, State(), steps_per_epoch=steps).epoch():
            pass
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


WAYS: dict[str, tuple[str, Callable[[PreparedData, int], Iterator[Any]]]] = {
    "decode": ("tf.io.decode_jpeg alone", tensorflow_decode),
    "decoder": ("this pipeline's decoder alone", own_decode),
    "plain": ("plain tf.image functions", plain),
    "pipeline": ("decoding and augmentation", own),
    "device": ("the same, through tf.data", fed),
}


def main(
    parts: str = "speed,stall",
    threads: str = "1,2",
    seconds: str = "2",
    ways: str = "decode,decoder,plain,pipeline,device",
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = photos(Path(folder), 768)
        import_tensorflow()
        if "speed" in parts.split(","):
            numbers = sorted(map(int, threads.split(",")))
            speed(data, numbers, float(seconds), list(dict.fromkeys(["decode", *ways.split(",")])))
        if "stall" in parts.split(","):
            stall(data, Path(folder))


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
