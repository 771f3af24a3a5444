"""Make `tests/report/study/heads`: a study of two heads and two seeds that was trained on drawn images.

    python -m tests.report.study.make_heads

Its runs keep their descriptors and what they logged, and no outcomes of queries. The names of the images and the
solutions, which all runs share, are kept once. Another machine's arithmetic gives another study.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image

from glr.config.resolvers import setup
from glr.tracking.history import runs_of
from glr.tracking.store import connect
from tests.conftest import here

HEADS = Path(__file__).parent / "heads"
CLASSES, IMAGES = 100, 8


def draw(folder: Path) -> None:
    """Draw patterns that barely stand out from noise."""
    for number in range(CLASSES):
        pattern = np.random.default_rng(number).normal(128, 25, (4, 4, 3)).repeat(4, 0).repeat(4, 1)
        (folder / f"{number:02d}").mkdir(parents=True)
        for image in range(IMAGES):
            noise = np.random.default_rng([number, image]).normal(0, 45, (16, 16, 3))
            pixels = np.clip(pattern + noise, 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"{number:02d}" / f"{image}.png")


def train(folder: Path) -> None:
    """Train each head with each seed."""
    for head in ("arcface", "adacos_semi"):
        for seed in (0, 1):
            printed = here(
                "train",
                *[f"name={head} {seed}", f"head={head}", f"seed={seed}", "study=heads", "backbone=small_cnn"],
                *["backbone.width=8", "data=folder", f"data.source.path={folder / 'images'}"],
                *["data.source.retrieval_classes=0.5", "data.source.query_images=0.375", "data.image_size=16"],
                *["model.embedding_size=16", "model.batchnorm_momentum=0.8", "train.batch_size=20", "train.epochs=6"],
                *["optimizer.learning_rate=0.01", "evaluate.gallery=0", "evaluate.descriptors=float16"],
                *["evaluate.score=map_at_100", "evaluate.gap.neighbors=3"],
                cwd=folder,
            )
            print(printed)


def keep(folder: Path) -> None:
    """Keep what the tests need of the runs."""
    shutil.rmtree(HEADS, ignore_errors=True)
    HEADS.mkdir()
    runs = runs_of(connect(f"sqlite:///{folder}/mlruns/mlflow.db"), ["heads"])
    for run in runs:
        for file in run.stored("descriptors").iterdir():
            if file.suffix == ".npy":
                shutil.copy(file, HEADS / f"{run.name} {file.name}")
            elif "checksums" not in file.name:
                shutil.copy(file, HEADS / file.name)
    described = [
        {
            "name": run.name,
            "params": {key: value for key, value in run.params.items() if str(folder) not in value},
            "metrics": run.metrics,
        }
        for run in runs
    ]
    (HEADS / "runs.json").write_text(json.dumps(described, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    setup()
    with tempfile.TemporaryDirectory() as made:
        draw(Path(made, "images"))
        train(Path(made))
        keep(Path(made))
