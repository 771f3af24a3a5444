"""A sweep on the fake Cloud TPU, by its command line: slices are taken away, one reboots, and nothing is lost."""

import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf

from glr import storage
from glr.config.grammar import in_grammar
from hydra_plugins.glr_tpu_vm import TpuVmLauncher
from tests.benchmarks.killed_sweep import EPOCHS, compare
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks
from tests.processes.mlflow_server import MlflowServer
from tests.sweep.conftest import Recorder, until
from tests.tpu.leaks import leaks
from tests.tpu.machine import INSTALL
from tests.tpu.service import TpuService

JOBS, PREEMPTIONS, TOKEN = 3, 4, "s3cret-t0ken"


@pytest.mark.slow
def test_jobs_whose_slices_are_taken_away_end_as_if_undisturbed(
    class_folders: Path,
    tpu: TpuService,
    gcs: Gcs,
    gcs_folder: str,
    processes: Forks,
    new_store: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    line = ["backbone=small_cnn", "backbone.width=8", "model.embedding_size=16", "augment=study", "study=fleet"]
    line += ["name=run-${seed}"]
    line += ["data=folder", f"data.source.path={class_folders}", "data.image_size=24", "train.batch_size=12"]
    line += [f"train.epochs={EPOCHS}", "evaluate.gallery=0", "checkpoint.steps=2", "strategy=cpu"]
    whole, laptop = tmp_path / "whole", tmp_path / "laptop"
    for folder in (whole, laptop):
        new_store(folder)
    for seed in range(JOBS):
        assert processes.run(*line, f"seed={seed}", f"data.path={tmp_path}/set", cwd=whole) == 0
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/set").symlink_to(tmp_path / "set")
    files = storage.files(tmp_path / "set")
    storage.upload([(tmp_path / "set" / name, f"{gcs_folder}/set/{name}") for name in files])
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/tests.mlflow").write_text(TOKEN)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    server = MlflowServer(processes, tmp_path, TOKEN)
    server.start()
    try:
        launcher = ["hydra/launcher=tpu_vm", f"hydra.launcher.bucket={gcs_folder}/fleet", "hydra.launcher.period=0.3"]
        launcher += ["hydra.launcher.project=tests", "hydra.launcher.zones=[us-west4-a]"]
        launcher += ["hydra.launcher.accelerator=v5e-8", f"hydra.launcher.install={in_grammar(INSTALL)}"]
        mount = f"rm -rf disk && ln -s {tmp_path}/disk disk"
        launcher += ["hydra.launcher.disk=sets", f"hydra.launcher.mount={in_grammar(mount)}"]
        launcher += ["+hydra.launcher.secrets.MLFLOW_TRACKING_TOKEN=mlflow", f"sweep.jobs={JOBS}", "sweep.backoff=0.5"]
        data = [f"data.path={gcs_folder}/set", f"tracking.uri={server.uri}", f"seed=range({JOBS})", "-m"]
        own = {**gcs.variables, "TPU_EMULATOR_HOST": tpu.address, "MLFLOW_TRACKING_TOKEN": TOKEN}
        process = processes.start(*line, *launcher, *data, cwd=laptop, **own)
        for number in range(PREEMPTIONS):
            until(lambda abrupt=number % 2 == 1: while_training(tpu, partial(tpu.preempt, abrupt=abrupt)), 300)
        until(lambda: while_training(tpu, lambda name: tpu.queue.get(name).machine.reboot()), 300)
        code, output = processes.wait(process), (laptop / "log.txt").read_text()
        assert (code, output.count(" was preempted after ")) == (0, PREEMPTIONS), output
        stores = [MlflowClient(uri) for uri in (f"sqlite:///{whole}/mlruns/mlflow.db", server.uri)]
        assert compare(*stores, "fleet", JOBS).endswith(f"equal to the last bit in {JOBS} of {JOBS}")
    finally:
        server.kill()
    assert tpu.queue.resources == {}
    assert leaks(TOKEN, tmp_path, gcs_folder, gcs, tpu) == []


def while_training(tpu: TpuService, strike: Callable[[str], None]) -> bool:
    """Do something to a slice in the middle of its job's training; return whether there was such a slice."""
    with tpu.queue.lock:
        for name in tpu.running():
            status = storage.join(tpu.queue.get(name).node.metadata["glr-folder"], "status.json")
            progress = json.loads(storage.read(status)).get("progress", {}) if storage.exists(status) else {}
            if 0 < progress.get("epoch", 0) < EPOCHS - 1:
                strike(name)
                return True
    return False


@pytest.mark.parametrize(("answer", "leaves"), [("stop", False), ("", True), (EOFError(), True)])
def test_at_a_terminal_the_user_says_whether_slices_are_left(
    answer: str | EOFError, leaves: bool, monkeypatch: pytest.MonkeyPatch
):
    class Terminal(Recorder):
        def ask(self, question: str) -> str:  # noqa: ARG002
            if isinstance(answer, EOFError):  # Ctrl-D
                raise answer
            return answer

    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    launcher = TpuVmLauncher()
    launcher.config = OmegaConf.create({"sweep": {"on_interrupt": None}})
    assert launcher.leaves(signal.SIGINT, Terminal()) == leaves
