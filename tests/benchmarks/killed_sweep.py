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


def finished(client: MlflowClient, study: str) -> dict[str, Run]:
    """A study's finished training runs by name."""
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    children = client.search_runs([experiment.experiment_id], "tags.kind = 'train'")
    named = {str(run.info.run_name): run for run in children}
    assert len(named) == len(children), "a job has two runs"
    return {name: run for name, run in named.items() if run.info.status == "FINISHED"}


def compare(whole: MlflowClient, client: MlflowClient, study: str, count: int) -> str:
    """Assert that so many runs of a study are finished in both stores, every epoch once; say how many weights agree."""
    expected, actual = finished(whole, study), finished(client, study)
    assert (len(expected), expected.keys()) == (count, actual.keys())
    same = 0
    for name, run in actual.items():
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
        assert steps == list(range(1, EPOCHS + 1)), (name, steps)
        first, second = weights(whole, expected[name]), weights(client, run)
        assert first.keys() == second.keys()
        same += all(first[key].tobytes() == second[key].tobytes() for key in first)
    return f"{count} runs finished, every epoch once; weights equal to the last bit in {same} of {count}"


def weights(client: MlflowClient, run: Run) -> dict[str, np.ndarray]:
    """Every array of a run's last and best weights, wherever its files are."""
    with tempfile.TemporaryDirectory() as folder:
        (artifacts := Path(folder, "artifacts")).mkdir()
        client.download_artifacts(run.info.run_id, "weights", str(artifacts))
        return weights_of(Path(folder))


def main(jobs: int, kills: int) -> None:
    random = np.random.default_rng(0)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
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
        clients = [MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db") for folder in (whole, killed)]
        print(compare(*clients, STUDY, jobs))


if __name__ == "__main__":
    given = dict(argument.split("=") for argument in sys.argv[1:])
    main(int(given.get("jobs", "18")), int(given.get("kills", "3")))
