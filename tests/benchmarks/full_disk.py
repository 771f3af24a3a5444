"""A sweep of 6 jobs on a small disk that fills up in the middle and is freed after a minute (Linux, as root: a tmpfs).

    python -m tests.benchmarks.full_disk

It prints each job's starts, the steps after which the job continued, and whether every run finished with every epoch
once. With the argument checkpoint.room_minutes=0 the sweep waits for room instead of its jobs.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image
from mlflow import MlflowClient

from tests.conftest import ROOT

MEGABYTES, JOBS, EPOCHS, SECONDS = 24, 6, 40, 60


def images(folder: Path) -> None:
    """Write 12 classes of 8 images of noise."""
    random = np.random.default_rng(0)
    for label in range(12):
        (folder / f"class{label:02d}").mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (30, 40, 3), np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"class{label:02d}/{number}.jpg")


def fill(folder: Path) -> Path:
    """Fill the disk to the last byte; return the file that does."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (2**16, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                pass
    return file


def sweep(disk: Path) -> None:
    images(disk / "images")
    (disk / "tmp").mkdir()
    line = [sys.executable, "-m", "glr.train", "backbone=small_cnn", "backbone.width=8", "model.embedding_size=16"]
    line += ["data=folder", f"data.source.path={disk}/images", "data.path=set", "data.image_size=24", "study=full"]
    line += ["train.batch_size=12", f"train.epochs={EPOCHS}", "evaluate.gallery=0", "checkpoint.steps=6"]
    line += ["sweep.jobs=2", "sweep.backoff=10", f"seed={','.join(map(str, range(JOBS)))}", "-m", *sys.argv[1:]]
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(disk / "tmp")}
    started, filler, filled = time.monotonic(), None, 0.0
    with subprocess.Popen(line, cwd=disk, env=env) as process:
        while process.poll() is None:
            logs = [log.read_text(errors="replace") for log in disk.glob("mlruns/outputs/full/*/*/log.txt")]
            if filled == 0 and len(logs) >= 3 and all("epoch 4/" in log for log in logs[:3]):
                filler, filled = fill(disk), time.monotonic()
                print(f"--- full after {filled - started:.0f} s", flush=True)
            if filler is not None and time.monotonic() - filled > SECONDS:
                filler.unlink()
                filler = None
                print(f"--- freed after {time.monotonic() - started:.0f} s", flush=True)
            time.sleep(0.2)
    print(f"exit code {process.returncode} after {time.monotonic() - started:.0f} s")
    for log in sorted(disk.glob("mlruns/outputs/full/*/*/log.txt")):
        text = log.read_text(errors="replace")
        begun, went_on = text.count(" parameters, "), re.findall(r"continuing after step ([\d,]+)", text)
        print(
            f"job {int(log.parent.name) + 1}: {begun} starts, continued after steps {went_on}, "
            f"{text.count('could not be written')} checkpoints failed, waited {text.count('for room')} times"
        )
    client = MlflowClient(f"sqlite:///{disk}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("full")
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id], "tags.kind = 'train'", order_by=["params.seed"]):
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
        whole = steps == list(range(1, EPOCHS + 1))
        print(f"seed {run.data.params['seed']}: {run.info.status}, {'every epoch once' if whole else steps}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder], check=True)
        try:
            sweep(Path(folder))
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
