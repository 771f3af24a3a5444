"""What a run prints before it trains."""

import os
from pathlib import Path

import PIL.Image
import pytest

from glr.data.prepared import PreparedData
from glr.retrieval.sets import prepared
from glr.tracking.entries import Params, Tags
from glr.train.announcement import describe, plot
from glr.train.assembly import assembled
from tests.tracking.test_recorder import Kept
from tests.train.test_assembly import config


def test_sizes_device_and_pictures(small_data: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture):
    settings, run = config("train.epochs=3", "backbone.trainable=none", "augment=study"), Kept()
    parts = assembled(settings, small_data, None)
    describe(settings, small_data, prepared(small_data, neighbors=1), parts, run)
    total = sum(weight.numpy().size for weight in parts.model.weights)
    trained = sum(weight.numpy().size for weight in parts.model.trainable_weights)
    assert trained < total
    device = f"CPU ({os.cpu_count()} cores)"
    assert capsys.readouterr().out.splitlines() == [
        "72 train images of 9 classes, 18 index images, 6 queries",
        f"{total:,} parameters, {trained:,} of them trained, on {device}",
        "3 epochs of 6 steps of 12 images",
    ]
    params = {key: value for entry in run.entries if isinstance(entry, Params) for key, value in entry.values.items()}
    sizes = {"parameters": total, "trainable_parameters": trained, "classes": 9, "train_images": 72}
    assert params == {key: str(value) for key, value in (sizes | {"steps_per_epoch": 6}).items()}
    (tags,) = (entry.values for entry in run.entries if isinstance(entry, Tags))
    assert tags == {"device": device, "replicas": "1"}
    plot(settings, small_data, parts, run, tmp_path)
    assert [file.name for file in run.files] == ["schedule.png", "augmentation.png"]
    for file in run.files:
        with PIL.Image.open(file) as picture:
            assert len(set(picture.convert("L").tobytes())) > 50


def test_images_that_stay_as_they_are_need_no_plot(small_data: PreparedData, tmp_path: Path):
    settings, run = config("train.epochs=3", "augment=none"), Kept()
    plot(settings, small_data, assembled(settings, small_data, None), run, tmp_path)
    assert [file.name for file in run.files] == ["schedule.png"]
