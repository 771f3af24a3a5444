"""Compare a sweep that is killed with all its jobs at random moments and restarted with an undisturbed one.

    python -m tests.benchmarks.killed_sweep jobs=18 kills=3

It prints how each start ended, and compares the two sweeps run by run: every epoch once, bit-identical weights.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.benchmarks.full_disk import images
from tests.conftest import ROOT
from tests.train.test_killed import weights_of

EPOCHS, STUDY = 10, "killed"


def start(folder: Path, jobs: int) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "glr.train", "backbone=small_cnn", "backbone.width=8", "model.embedding_size=16"]
    line += ["data=folder", f"data.source.path={folder.parent}/images", "data.path=set", "data.image_size=24"]
    line += ["train.batch_size=12", f"train.epochs={EPOCHS}", "evaluate.gallery=0", "checkpoint.steps=5"]
    line += [f"study={STUDY}", "sweep.jobs=2", "sweep.backoff=1", "head=arcface,adacos_semi"]
    line += [f"seed={','.join(map(str, range(jobs // 2)))}", "-m"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(line, cwd=folder, env=env, start_new_session=True, stdout=subprocess.DEVNULL)


def kill_everything(folder: Path, sweep: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the sweep and to each process that works in its folder: each job leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(sweep.pid, signal.SIGKILL)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                os.kill(int(process.name), signal.SIGKILL)
    sweep.wait()


def runs(folder: Path) -> dict[tuple[str, str], Run]:
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    children = client.search_runs([experiment.experiment_id], "tags.kind = 'train'")
    named = {(run.data.params["head"], run.data.params["seed"]): run for run in children}
    assert len(named) == len(children), "a job has two runs"
    return named


def main(jobs: int, kills: int) -> None:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place, "whole"), Path(place, "killed")
        images(Path(place, "images"))
        for folder in (whole, killed):
            folder.mkdir()
        begun = time.monotonic()
        code = start(whole, jobs).wait()
        seconds = time.monotonic() - begun
        print(f"undisturbed: exit code {code} after {seconds:.0f} s", flush=True)
        for _ in range(kills):
            sweep, pause = start(killed, jobs), random.uniform(0.2, 0.5) * seconds
            time.sleep(pause)
            kill_everything(killed, sweep)
            print(f"killed after {pause:.0f} s", flush=True)
        begun = time.monotonic()
        code = start(killed, jobs).wait()
        print(f"started again: exit code {code} after {time.monotonic() - begun:.0f} s", flush=True)
        expected, actual = runs(whole), runs(killed)
        assert expected.keys() == actual.keys()
        client = MlflowClient(f"sqlite:///{killed}/mlruns/mlflow.db")
        same = 0
        for name, run in actual.items():
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
            assert run.info.status == "FINISHED", (name, run.info.status)
            assert steps == list(range(1, EPOCHS + 1)), (name, steps)
            first, second = (
                weights_of(folder / f"mlruns/artifacts/{one.info.run_id}")
                for folder, one in ((whole, expected[name]), (killed, run))
            )
            assert first.keys() == second.keys()
            same += all(first[key].tobytes() == second[key].tobytes() for key in first)
        print(
            f"{len(actual)} runs finished, every epoch once; weights equal to the last bit in {same} of {len(actual)}"
        )


if __name__ == "__main__":
    given = dict(argument.split("=") for argument in sys.argv[1:])
    main(int(given.get("jobs", "18")), int(given.get("kills", "3")))
