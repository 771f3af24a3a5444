"""`python -m glr.train`: what it prints, logs and leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import PIL.Image
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from glr import storage
from glr.tracking.run import PARENT_VARIABLE
from tests.config.test_command import glr as as_users_do
from tests.conftest import here
from tests.evaluate.by_hand import metrics as by_hand
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks

SMALL = [
    *["backbone=small_cnn", "backbone.width=8", "augment=none", "model.embedding_size=16"],
    *["data=folder", "data.image_size=24", "data.source.retrieval_classes=0.25", "data.source.query_images=0.25"],
    *["train.batch_size=12", "train.epochs=2", "optimizer.learning_rate=0.01", "evaluate.untrained=true"],
]
ONE = ["regularization=l2", "train.precision=auto", "train.deterministic=true", "study=one"]
SHORT = ["train.epochs=1", "evaluate.untrained=false", "evaluate.gallery=0"]


def runs(folder: Path, study: str) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def trained(
    class_folders: Path, new_store: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("trained")
    new_store(folder)
    done = as_users_do(*SMALL, f"data.source.path={class_folders}", *ONE, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


@pytest.mark.slow
def test_everything_that_a_run_promises_is_in_mlflow(trained: tuple[Path, str], class_folders: Path):
    folder, _ = trained
    (record,) = runs(folder, "one")
    params, tags, metrics = record.data.params, record.data.tags, record.data.metrics
    assert record.info.status == "FINISHED"
    assert record.info.run_name == "small_cnn-adacos_semi"
    assert (params["backbone"], params["head"], params["regularization"]) == ("small_cnn", "adacos_semi", "l2")
    assert (params["backbone.width"], params["train.batch_size"], params["optimizer.beta_1"]) == ("8", "12", "0.9")
    assert (params["schedule.peak"], params["data.source.path"]) == ("0.01", str(class_folders))
    assert (params["classes"], params["train_images"], params["steps_per_epoch"]) == ("9", "72", "6")
    assert (params["data.normalization"], params["evaluate.score"]) == ("minus_one_one", "gap")
    assert params["train.precision"] == "float32"  # what auto is on a CPU
    assert "train.epochs=2" in tags["overrides"]
    assert tags["device"].startswith("CPU")
    assert tags["version.keras"].startswith("3.")
    assert len(tags["mlflow.source.git.commit"]) == 40
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    for name in ("loss", "penalty", "accuracy", "learning_rate", "head_scale", "images_per_second", "private/gap"):
        assert [m.step for m in client.get_metric_history(record.info.run_id, name)] == [1, 2], name
    (used,) = record.inputs.dataset_inputs
    assert used.dataset.name == "Folder classes"
    assert json.loads(used.dataset.profile)["images"] == 72
    files = folder / "mlruns/artifacts" / record.info.run_id / "artifacts"
    expected = by_hand(files / "descriptors")
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert {f"untrained/{name}" for name in expected} <= set(metrics)
    for usage in ("public", "private"):
        assert f"{usage}/median_position" in metrics
        assert metrics[f"{usage}_score"] == metrics[f"{usage}/gap"]
    for picture in ("schedule.png", "gallery.png"):
        with PIL.Image.open(files / picture) as opened:
            assert len(set(opened.convert("L").tobytes())) > 50, picture  # something is drawn
    assert "width: 8" in (files / "config.yaml").read_text()
    index = np.load(files / "descriptors/index_descriptors.npy")
    assert index.shape == (18, 16)
    np.testing.assert_allclose(np.linalg.norm(index, axis=1), 1, rtol=1e-5)
    assert len((files / "descriptors/index_ids.txt").read_text().split()) == 18
    assert tags["descriptors"].endswith("/descriptors")
    for name in ("best", "last"):
        with h5py.File(files / f"weights/{name}.weights.h5") as weights:
            kernel = weights["head/vars/0"]
            assert isinstance(kernel, h5py.Dataset)
            assert kernel.shape == (16, 9)


@pytest.mark.slow
def test_everything_may_lie_in_a_bucket(processes: Forks, class_folders: Path, gcs: Gcs, gcs_folder: str, work: Path):
    settings = [f"data.source.path={class_folders}", f"data.path={gcs_folder}/set", "data.validation_share=0.25"]
    settings += [f"tracking.artifacts={gcs_folder}/artifacts", "study=bucket", "train.epochs=1", "evaluate.gallery=0"]
    settings += [f"checkpoint.path={gcs_folder}/checkpoints", "checkpoint.steps=2"]
    done = processes.output(*SMALL, *settings, cwd=work, **gcs.environment)
    assert done.returncode == 0, done.stderr
    (record,) = runs(work, "bucket")
    assert (record.data.params["train_images"], record.data.params["data.path"]) == ("54", f"{gcs_folder}/set")
    right = 18 * record.data.metrics["validation/accuracy"]  # correct among 18 images
    assert 0 <= round(right) <= 18
    assert right == pytest.approx(round(right))
    assert storage.files(f"{gcs_folder}/checkpoints") == {}
    assert any("/step-00000000" in unquote(request.path) for request in gcs.log())
    prefix = f"{record.info.run_id}/artifacts"
    stored = storage.files(f"{gcs_folder}/artifacts")
    names = {"config.yaml", "schedule.png", "weights/last.weights.h5", "descriptors/index_ids.txt"}
    names |= {"outcomes.parquet"}
    assert {f"{prefix}/{name}" for name in names} <= set(stored)
    weights = f"{gcs_folder}/artifacts/{prefix}/weights/last.weights.h5"
    settings += [f"init_from={weights}", f"data.cache_dir={work}/cache", "data.train_on_validation=true"]
    done = processes.output(*SMALL, *settings, "name=then", cwd=work, **gcs.environment)
    assert done.returncode == 0, done.stderr
    (then,) = (run for run in runs(work, "bucket") if run.info.run_name == "then")
    assert then.data.params["train_images"] == "72"
    assert "validation/accuracy" not in then.data.metrics
    for name in ("public/map_at_100", "private/gap"):
        assert then.data.metrics[f"initial/{name}"] == pytest.approx(record.data.metrics[name])
    assert list((work / "cache").glob("*/train-*.tfrec"))
    done = processes.output(*SMALL, *settings, f"init_from={gcs_folder}/none", cwd=work, **gcs.environment)
    assert done.stderr == f"error: init_from.file={gcs_folder}/none: there is no such file\n"


@pytest.mark.slow
def test_the_output_is_for_people(trained: tuple[Path, str]):
    _, output = trained
    lines = output.splitlines()
    assert "72 train images of 9 classes, 18 index images, 6 queries" in lines
    assert "2 epochs of 6 steps of 12 images" in lines
    assert any(line.startswith("epoch 2/2: loss ") and "images/s; public gap" in line for line in lines)
    assert any(line.split()[:1] == ["gap"] and len(line.split()) == 5 for line in lines)
    assert any("mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db" in line for line in lines)


@pytest.mark.slow
def test_a_sweep_is_a_parent_with_a_child_per_job_and_a_failure_stops_none(processes: Forks, trained: tuple[Path, str]):
    folder, _ = trained
    done = processes.output(*SMALL, *SHORT, "optimizer.learning_rate=1e30,0.01", "study=two", "-m", cwd=folder)
    assert done.returncode == 1
    assert "or set optimizer.global_clipnorm" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 2 jobs failed: ")
    assert "optimizer.learning_rate=1e+30" in done.stderr.splitlines()[-1]
    assert "job 2 of 2: " in done.stdout
    assert "\njob  Public GAP  state     settings\n" in done.stdout
    by_parent = {run.data.tags.get("mlflow.parentRunId"): run for run in runs(folder, "two")}
    parent = by_parent.pop(None)
    assert (parent.info.status, parent.data.tags["kind"]) == ("FAILED", "sweep")
    children = [run for run in runs(folder, "two") if run.info.run_id != parent.info.run_id]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    ended = {float(run.data.params["optimizer.learning_rate"]): run for run in children}
    assert (ended[1e30].info.status, ended[0.01].info.status) == ("FAILED", "FINISHED")
    assert ended[1e30].data.tags["failure"].endswith("or set optimizer.global_clipnorm")


@pytest.mark.slow
def test_a_run_starts_from_anothers_weights(trained: tuple[Path, str], class_folders: Path):
    folder, _ = trained
    (source,) = runs(folder, "one")
    common = [*SMALL, f"data.source.path={class_folders}", "regularization=l2", "study=one", "train.epochs=1"]
    common += ["evaluate.gallery=0"]
    printed = here("train", *common, "name=then", "init_from=small_cnn-adacos_semi", cwd=folder)
    assert f"starting from the weights of run small_cnn-adacos_semi ({source.info.run_id})" in printed
    (then,) = (run for run in runs(folder, "one") if run.info.run_name == "then")
    assert then.info.status == "FINISHED"
    assert then.data.params["init_from.run"] == "small_cnn-adacos_semi"
    assert then.data.tags["init_from_parts"].startswith("took backbone (20 weights), pooling (1 weight), embedding")
    assert then.data.tags["init_from_run"] == source.info.run_id
    for name in ("public/map_at_100", "private/gap"):
        assert then.data.metrics[f"initial/{name}"] == pytest.approx(source.data.metrics[name])
    weights = folder / "mlruns/artifacts" / source.info.run_id / "artifacts/weights/last.weights.h5"
    smaller = ["name=smaller", "backbone.width=4", f"init_from={weights}", "init_from.strict=true"]
    refused = here("train", *common, *smaller, cwd=folder)
    assert refused.startswith(f"error: init_from: {weights} does not hold weights of this model: ")
    assert here("train", *common, "init_from=nobody", cwd=folder) == (
        "error: init_from.run=nobody: neither a run's id, nor a finished run of study one; a file does not exist under "
        "this name either"
    )
    assert len(runs(folder, "one")) == 3  # what never started left no run


@pytest.mark.slow
def test_a_run_that_diverges_says_so_and_is_struck_through(trained: tuple[Path, str], class_folders: Path):
    folder, _ = trained
    line = [*SMALL, f"data.source.path={class_folders}", *SHORT, "study=diverging", "optimizer.learning_rate=1e6"]
    refused = here("train", *line, cwd=folder)
    sentence = "error: the head's weights exploded (the largest is 1e+06) at or shortly before step 1 "
    assert refused.startswith(sentence)
    assert "lower optimizer.learning_rate" in refused
    (record,) = runs(folder, "diverging")
    assert (record.info.status, record.data.tags["diverged"]) == ("FAILED", "True")
    table = here("compare", "study=diverging", "output=-", cwd=folder)
    assert table.startswith("No configuration of diverging has a GAP yet.")
    assert table.splitlines()[-1] == "|1|0 (1 failed)|"


@pytest.mark.slow
def test_own_runs_stand_in_the_same_tables_as_they_were_logged(trained: tuple[Path, str]):
    folder, _ = trained
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    (record,) = (run for run in runs(folder, "one") if run.info.run_name == "small_cnn-adacos_semi")
    table = here("compare", "study=one", "output=-", cwd=folder)
    public, private = (record.data.metrics[f"{usage}_score"] for usage in ("public", "private"))
    assert "All: Backbone SmallCNN, Pooling GeM, Head AdaCos(Semi)," in table
    assert any(f"|{public:.4f} [" in line and f"|{private:.4f} [" in line for line in table.splitlines())
    # What was logged counts, whatever the YAML of the choice says today.
    copy = client.create_run(client.create_experiment("relabelled"), tags={"kind": "train"})
    for key, value in record.data.params.items():
        client.log_param(copy.info.run_id, key, value)
    for key, value in record.data.tags.items():
        if key.endswith(".label"):
            client.set_tag(copy.info.run_id, key, "OldName" if key == "head.label" else value)
    client.set_terminated(copy.info.run_id)
    assert "SmallCNN + GeM + OldName + l2" in here("compare", "study=relabelled", "output=-", cwd=folder)


@pytest.mark.slow
def test_a_sweeps_job_that_has_finished_meanwhile_is_not_trained_again(
    trained: tuple[Path, str], class_folders: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, _ = trained
    before = runs(folder, "one")
    monkeypatch.setenv(PARENT_VARIABLE, "0" * 32)
    line = [*SMALL, f"data.source.path={class_folders}", *ONE]
    printed = here("train", *line, cwd=folder)
    assert "run small_cnn-adacos_semi of study one is complete already: score " in printed
    assert len(runs(folder, "one")) == len(before)


@pytest.mark.slow
def test_debug_runs_are_short_and_no_results(trained: tuple[Path, str], class_folders: Path):
    """The set has 6 steps an epoch and 18 index images."""
    folder, _ = trained
    line = [each for each in SMALL if not each.startswith(("train.epochs", "evaluate.untrained", "optimizer"))]
    line += [f"data.source.path={class_folders}", "study=debugged", "debug.queries=2", "evaluate.gallery=1"]
    fast = here("train", *line, "debug=fast", cwd=folder)
    assert "1 epoch of 2 steps of 12 images" in fast
    (record,) = runs(folder, "debugged")
    assert (record.info.status, record.info.run_name) == ("FINISHED", "small_cnn-adacos_semi-debug-fast")
    assert (record.data.tags["kind"], record.data.tags["debug"]) == ("debug", "fast")
    files = folder / "mlruns/artifacts" / record.info.run_id / "artifacts"
    assert len((files / "descriptors/index_ids.txt").read_text().split()) < 10
    assert "epoch 1/1: loss " in (files / "log.txt").read_text()
    (log,) = (folder / "mlruns/outputs/debugged").glob("*/log.txt")
    assert log.read_text() == fast
    assert "no training run or ensemble" in here("compare", "study=debugged", "output=-", cwd=folder)
    fitted = here("train", *line, "debug=overfit", cwd=folder)
    assert "the model fits one batch: after " in fitted
    failed = here("train", *line, "debug=overfit", "optimizer.learning_rate=1e-9", "train.epochs=1", cwd=folder)
    assert failed.startswith("error: the model did not fit one batch: after 20 steps on one batch the loss is ")
    traced = here("train", *line, "debug=profile", "train.epochs=3", "evaluate.every=null", cwd=folder)
    assert "the trace is among the run's files: profile/" in traced
    by_name = {(run.info.run_name, run.info.status): run.info.run_id for run in runs(folder, "debugged")}
    assert len(by_name) == 4
    profile = folder / "mlruns/artifacts" / by_name["small_cnn-adacos_semi-debug-profile", "FINISHED"]
    assert len(list((profile / "artifacts/profile/plugins/profile").glob("*/*.xplane.pb"))) == 1
