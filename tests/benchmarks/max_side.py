"""What `data.max_side` saves: bytes an image, and images/s that a core decodes and augments for training.

    python -m tests.benchmarks.max_side sides=none,1024,800,640,512 size=441

The photos have 1600 x 1200 pixels and about 500 kB. The rate is per second of a core's time, so that other work on the
machine hardly changes it; the sizes take turns, and the best turn counts.
"""

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from glr.data.pipeline import TrainPipeline
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.data.source import FolderSource
from tests.benchmarks.input_pipeline import STUDY, photo

PHOTOS, BATCH, BATCHES = 24, 8, 6  # a batch has fewer images than the train split


def main(sides: str = "none,1024,800,640,512", size: str = "441", turns: str = "3") -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PHOTOS):
            file = Path(folder, "photos", str(number % 4), f"{number}.jpg")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(photo(number, 500_000, 1600))
        source = FolderSource(path=f"{folder}/photos", retrieval_classes=0.25, query_images=0.25, seed=0)
        sets: dict[str, PreparedData] = {}
        for side in sides.split(","):
            options = Options(max_side=None if side == "none" else int(side))
            sets[side] = prepare(source, Path(folder, side), options, settings={})
        rates = dict.fromkeys(sets, 0.0)
        for _turn in range(int(turns)):
            for side, data in sets.items():
                rates[side] = max(rates[side], rate(data, int(size)))
        print(f"image_size={size}\n{'max_side':<10}{'kB an image':>13}{'images/s a core':>18}")
        for side, data in sets.items():
            stored = sum(Path(file).stat().st_size for split in data.shards for file in data.files(split))
            print(f"{side:<10}{stored / PHOTOS / 1000:>13.0f}{rates[side]:>18.0f}")


def rate(data: PreparedData, size: int) -> float:
    """Images that the train pipeline makes in a second of a core's time, with one thread."""
    pipeline = TrainPipeline(data, STUDY, image_size=size, batch_size=BATCH, seed=0, shuffle_buffer=32, parallelism=1)
    batches = pipeline.batches()
    next(batches)
    began = time.process_time()
    count = sum(len(batch[1]) for batch in islice(batches, BATCHES))
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
