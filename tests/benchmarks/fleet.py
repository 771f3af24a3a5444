"""The published study at toy size on four fake TPU slices that are taken away at random, beside an undisturbed sweep.

    python -m tests.benchmarks.fleet [folder=DIR] [rows=18] [preemptions=30] [kills=2] [every=12] [seed=0]

The service, the bucket and MLflow are on loopback, the VMs are processes of this machine (tests/tpu). Besides the
preemptions, `every` seconds apart on average, two slices meet a stockout, one VM never boots, a 19th job fails by
itself, and the command that watches is killed. It asserts that every run is finished, each epoch recorded once, and
each weight equal to the undisturbed run's, that no slice is left, and that no request, log or file holds the secret. It
takes ten minutes on two cores, and as long for the undisturbed sweep, which a folder of an earlier call has already.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient

from glr.config.grammar import in_grammar
from glr.config.installation import CONF
from tests.benchmarks.full_disk import images
from tests.benchmarks.killed_sweep import EPOCHS, compare
from tests.conftest import ROOT
from tests.gcs.fixture import emulator
from tests.processes.forks import forks
from tests.processes.mlflow_server import MlflowServer
from tests.tpu.leaks import leaks
from tests.tpu.machine import INSTALL
from tests.tpu.resources import Trouble
from tests.tpu.service import TpuService

TOKEN, STUDY, ZONES = "s3cret-t0ken", "toy", "[us-west4-a,us-west4-b]"
BROKEN = """# @package _global_
defaults:
  - /experiment/published/_study
  - override /backbone: small_cnn
name: 99_broken
optimizer:
  learning_rate: 1.0e+30
"""


def experiments(folder: Path, rows: int) -> None:
    """Write the published rows with small backbones, one width for each of the published ones, and a row that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    widths: dict[str, int] = {}
    for file in sorted((CONF / "experiment/published").glob("[0-9]*.yaml"))[:rows]:
        text = file.read_text()
        backbone = re.findall(r"override /backbone: (\w+)", text)[0]
        width = widths.setdefault(backbone, 4 + len(widths))
        text = text.replace(f"/backbone: {backbone}", "/backbone: small_cnn") + f"backbone:\n  width: {width}\n"
        (folder / file.name).write_text(text)
    (folder / "99_broken.yaml").write_text(BROKEN)


def command(folder: Path, *more: str) -> list[str]:
    line = [sys.executable, "-m", "glr.train", "--config-dir", str(folder / "conf"), "experiment=glob(toy/*)"]
    line += ["data=folder", f"data.source.path={folder}/images", "data.image_size=24", "model.embedding_size=16"]
    line += ["train.batch_size=12", f"train.epochs={EPOCHS}", "evaluate.gallery=0", "checkpoint.steps=5"]
    return [*line, f"study={STUDY}", "strategy=cpu", "sweep.backoff=1", "sweep.report=false", *more, "-m"]


def undisturbed(folder: Path) -> None:
    """Run the sweep on this machine, as processes."""
    (folder / "whole").mkdir(exist_ok=True)
    line = command(folder, "sweep.jobs=2", f"data.path={folder}/set")
    with (folder / "whole/log.txt").open("w") as log:
        subprocess.run(line, cwd=folder / "whole", env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=log, check=False)


class Laptop:
    """The command that watches the fleet; it can be killed and given again.

    Args:
        folder: the command runs in a folder there.
        variables: of its environment.
        line: the command.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], line: list[str]):
        self._cwd, self._line = folder / "laptop", line
        self._cwd.mkdir()
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        self.starts = 0

    def open(self) -> None:
        self.starts += 1
        with (self._cwd / f"start{self.starts}.txt").open("w") as log:
            options = {"cwd": self._cwd, "env": self._environment, "start_new_session": True}
            self._process = subprocess.Popen(self._line, stdout=log, stderr=subprocess.STDOUT, **options)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self) -> int:
        return self._process.wait()

    @property
    def output(self) -> str:
        """What the last start has printed."""
        return (self._cwd / f"start{self.starts}.txt").read_text()


def main(folder: Path, rows: int, preemptions: int, kills: int, every: float, seed: int) -> None:
    generator = random.Random(seed)
    experiments(folder / "conf/experiment/toy", rows)
    if not (folder / "whole").exists():
        images(folder / "images")
        undisturbed(folder)
    (fleet := folder / f"fleet-{time.strftime('%H%M%S')}").mkdir()
    (fleet / "secrets").mkdir()
    (fleet / "secrets/tests.mlflow-token").write_text(TOKEN)
    with forks() as processes, emulator(fleet) as gcs:
        mlflow = MlflowServer(processes, fleet, TOKEN)
        mlflow.start()
        service = TpuService(fleet / "machines", environment={**gcs.variables, "SECRETS": str(fleet / "secrets")})
        service.queue.troubles += [Trouble("stockout"), Trouble("no boot"), Trouble("stockout")]
        variables = {**gcs.variables, "TPU_EMULATOR_HOST": service.address, "MLFLOW_TRACKING_TOKEN": TOKEN}
        os.environ.update(variables, MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
        more = ["hydra/launcher=tpu_vm", "hydra.launcher.project=tests", f"hydra.launcher.zones={ZONES}"]
        more += ["hydra.launcher.accelerator=v5e-8", "hydra.launcher.bucket=gs://tests/fleet", "sweep.jobs=4"]
        more += ["+hydra.launcher.secrets.MLFLOW_TRACKING_TOKEN=mlflow-token", "hydra.launcher.boot_minutes=1"]
        more += ["hydra.launcher.period=1", "hydra.launcher.price_per_hour=4", "hydra.launcher.preflight=false"]
        more += [
            f"hydra.launcher.install={in_grammar(INSTALL)}",
            f"tracking.uri={mlflow.uri}",
            "data.path=gs://tests/set",
        ]
        laptop, begun = Laptop(fleet, variables, command(folder, *more)), time.monotonic()
        try:
            laptop.open()
            service.preempt_at_random(preemptions, every, seed)
            for _ in range(kills):
                time.sleep(generator.uniform(0.5, 1) * preemptions * every / kills)
                laptop.kill()
                laptop.open()
            code = laptop.wait()
            seconds = time.monotonic() - begun
            assert (code, len(service.preempted)) == (1, preemptions), laptop.output
            assert f"1 of {rows + 1} jobs failed: {rows + 1} (experiment=toy/99_broken)" in laptop.output, laptop.output
            assert f"job {rows + 1} failed: the head's weights exploded" in laptop.output, laptop.output
            whole = MlflowClient(f"sqlite:///{folder}/whole/mlruns/mlflow.db")
            print(compare(whole, MlflowClient(mlflow.uri), STUDY, rows))
            assert service.queue.resources == {}, list(service.queue.resources)
            assert not any(trouble.times for trouble in service.queue.troubles)
            assert (found := leaks(TOKEN, fleet, "gs://tests", gcs, service)) == [], found
        finally:
            laptop.kill()
            service.close()
            mlflow.kill()
        methods = Counter(request.method for request in service.log)
        print(f"| rows | preemptions | VMs | starts of the command | requests | minutes |\n|{'---|' * 6}")
        counts = [rows, preemptions, len(service.queue.machines), laptop.starts, methods.total(), round(seconds / 60)]
        print("|", " | ".join(map(str, counts)), "|")


if __name__ == "__main__":
    given = dict(argument.split("=") for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        main(
            Path(given.get("folder", place)).absolute(),
            *(int(given.get(name, default)) for name, default in (("rows", 18), ("preemptions", 30), ("kills", 2))),
            *(float(given.get("every", 12)), int(given.get("seed", 0))),
        )
