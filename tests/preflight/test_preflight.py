"""`python -m glr.preflight` with the real TPU compiler on a small network."""

import json
import platform
from pathlib import Path

import pytest

from tests.processes.forks import Forks

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the TPU compiler is for Linux on x86-64"
)
TOY = ["backbone=small_cnn", "head=adacos_semi", "data=folder", "data.image_size=32", "train.batch_size=64"]
SIZE = ["preflight.classes=1000", "preflight.images=64000"]


def test_a_sweep_in_one_table_with_each_distinct_step_compiled_once(processes: Forks, work: Path):
    """Two runs share a step; the step of the other two cannot be traced."""
    done = processes.output(
        *[*TOY, *SIZE, "backbone=small_cnn,xception", "schedule=cosine,ramp", "train.epochs=5", "-m"],
        *["preflight.output=out.json", "preflight.price_per_hour=3600", "preflight.host_images_per_core=100"],
        *["preflight.log=true", "study=flight"],
        command="preflight",
        cwd=work,
    )
    assert done.returncode == 1
    steps = ["compiling for v3-8: 8 images on each of 8 cores"] * 2
    assert done.stderr.splitlines() == [*steps, "error: 2 of 4 runs could not be estimated; the table says why"]
    lines = done.stdout.splitlines()
    assert lines[0] == "TPU: v3-8"
    assert [line.split()[:5] for line in lines if line.startswith("small_cnn")] == [
        ["small_cnn-adacos_semi", f"schedule={schedule}", "backbone=small_cnn", "float32", "8"]
        for schedule in ("cosine", "ramp")
    ]
    assert "Xception needs images of at least 71 pixels: data.image_size=32" in done.stdout
    rows = json.loads((work / "out.json").read_text())
    one, other = rows[:2]
    assert one == other | {"run": one["run"]}
    # Weights and two moments, 4 bytes each, are among the arguments, and so is the batch.
    assert one["parameters"] > 1000 * 512
    assert one["arguments"] * 2**30 > 3 * 4 * 0.99 * one["parameters"]
    assert one["fits"] is True
    assert 0 < one["step_seconds"] < 0.05
    assert one["cautious_seconds"] > 0
    assert one["flops"] > 3 * 2 * 8 * 512 * 1000  # the head's product, forward and twice backward
    assert one["run_hours"] == pytest.approx(5 * 1000 * one["step_seconds"] / 3600)
    assert one["price"] == pytest.approx(5 * 1000 * one["step_seconds"])
    assert one["host_cores"] == pytest.approx(64 / one["step_seconds"] / 100)

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("flight")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["kind"] for run in runs} == {"preflight"}
    assert {run.data.params["schedule"] for run in runs} == {"cosine", "ramp"}
    assert runs[0].data.metrics["step_seconds"] == pytest.approx(one["step_seconds"])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([*TOY, *SIZE, "train.batch_size=12"], "train.batch_size=12 is the global batch; give a multiple of the 8"),
        ([*TOY, *SIZE, "train.precision=mixed_float16"], "a TPU computes in bfloat16; give mixed_bfloat16"),
        ([*TOY, "data.path=none"], "data.path=none holds no prepared set: give preflight.classes and preflight.images"),
        (["preflight.topology=v3-32"], "expected one of v2-8, v3-8, v4-8, v5e-8, v5p-8, v6e-8"),
        (["preflight.price_per_hour=-1"], "preflight.price_per_hour=-1.0: expected at least 0"),
        (["preflight.topolgy=v3-8"], "did you mean preflight.topology?"),
    ],
)
def test_mistake_is_one_sentence(processes: Forks, line: list[str], sentence: str, tmp_path: Path):
    done = processes.output(*line, command="preflight", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
