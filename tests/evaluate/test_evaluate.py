"""`python -m glr.evaluate` as users run it: a run, a SavedModel, every kind of set, and every refusal."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from mlflow.entities import Run

from glr.data.prepared import PreparedData
from glr.postprocess import described
from glr.retrieval.descriptors import load
from glr.retrieval.outcomes import load as load_outcomes
from tests.conftest import here
from tests.evaluate.conftest import of_pair
from tests.model.test_saved_model import Delg
from tests.processes.forks import Forks


def evaluate(folder: Path, *arguments: str) -> str:
    return here("evaluate", *arguments, cwd=folder)


def runs(folder: Path, study: str = "pair") -> list[Run]:
    """Return the study's runs, newest first."""
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    return list(client.search_runs([client.get_experiment_by_name(study).experiment_id]))


def named(folder: Path, name: str) -> Run:
    (run,) = [run for run in runs(folder) if run.info.run_name == name]
    return run


def scores(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.data.metrics.items() if name.startswith(("public/", "private/"))}


def test_a_run_scores_on_its_own_data_what_it_scored_in_training(trained: Path):
    printed = evaluate(trained, "run=two", "gallery=1")
    assert printed.startswith("two: 36 index images, 12 queries of data/folder\n")
    newest, run = runs(trained)[0], named(trained, "two")
    assert f"evaluation {newest.info.run_id} of two in study pair" in printed
    assert newest.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert (newest.data.tags["kind"], newest.info.status) == ("evaluation", "FINISHED")
    assert scores(newest) == pytest.approx(scores(run))
    assert len(scores(newest)) == 18
    assert newest.data.params["tta.flip"] == "False"
    assert newest.data.params["dimension"] == "24"
    (used,) = newest.inputs.dataset_inputs
    assert used.dataset.digest == PreparedData(trained / "data/folder").digest
    files = trained / "mlruns/artifacts" / newest.info.run_id / "artifacts"
    names = {"gallery.png", "gallery.html", "precision_recall.png", "scores.png", "config.yaml", "outcomes.parquet"}
    assert {file.name for file in files.iterdir()} == names
    outcomes, settings = load_outcomes(files / "outcomes.parquet")
    assert {"set", "tta", "whitening", "reranking"} <= settings.keys()
    of_public = outcomes.filter(pc.equal(outcomes["usage"], "Public"))
    assert pc.mean(of_public["ap"]).as_py() == pytest.approx(newest.data.metrics["public/map_at_100"])
    assert (files / "gallery.html").read_text().count("data:image/") >= 3 * 11
    # In the tables an evaluation is no row.
    rows = csv.DictReader(here("compare", "study=pair", "output=-", "format=csv", cwd=trained).splitlines())
    assert {row["kind"] for row in rows} <= {"train", "ensemble"}


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    here("export", "run=two", "output=exports/two", "verify=0", cwd=trained)
    return trained / "exports/two"


@pytest.mark.parametrize("name", ["saved_model", "submission.zip"])
def test_a_saved_model_scores_what_its_run_scored(trained: Path, exported: Path, name: str, tmp_path: Path):
    settings = [f"model={exported / name}", "prepared=data/folder", "gallery=0", "study=foreign", f"cache={tmp_path}"]
    evaluate(trained, *settings, "neighbors=3")
    newest, run = runs(trained, "foreign")[0], named(trained, "two")
    assert newest.info.run_name == f"evaluate {name} neighbors=3"
    assert "mlflow.parentRunId" not in newest.data.tags
    for split in ("index", "query"):
        descriptors = load(next(tmp_path.glob(f"*/{split}_ids.txt")).parent, split)
        of_run = load(trained / "mlruns/artifacts" / run.info.run_id / "artifacts/descriptors", split)
        assert descriptors.ids == of_run.ids
        np.testing.assert_allclose(descriptors.values, of_run.values, atol=1e-6)
    assert scores(newest) == pytest.approx(scores(run), abs=0.01)  # neighbours that are equally near may change places


def test_tta_gives_the_scales_of_delg(trained: Path, exported: Path, tmp_path: Path):
    module = Delg()
    tf.saved_model.save(module, str(tmp_path / "delg"), signatures={"serving_default": module.by_scale})
    line = ["prepared=data/folder", "gallery=0", "study=foreign", f"cache={tmp_path}/cache", "keep_descriptors=true"]
    kept = {}
    for scales in ([1.0], [0.5, 2.0]):
        evaluate(trained, f"model={tmp_path}/delg", *line, f"tta.scales={scales}")
        run = runs(trained, "foreign")[0].info
        kept[len(scales)] = load(trained / "mlruns/artifacts" / run.run_id / "artifacts/descriptors", "index").values
    means = kept[1]  # of length 1; the stand-in takes powers of the mean colour, which scale with its length
    powers = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (means**0.5, means**2)]
    expected = sum(powers) / np.linalg.norm(sum(powers), axis=1, keepdims=True)
    np.testing.assert_allclose(kept[2], expected, rtol=1e-4)
    refused = evaluate(trained, f"model={exported / 'saved_model'}", *line, "tta=multi_scale")
    assert refused.startswith("error: tta: a SavedModel makes its own views of an image; ")


def test_post_processing_that_lowers_scores_is_named(trained: Path):
    line = ["run=two", "gallery=0", "whitening=pca", "whitening.dimension=2"]
    printed = evaluate(trained, *line, "reranking=k_reciprocal")
    newest, run = runs(trained)[0], named(trained, "two")
    assert newest.info.run_name == "evaluate two whitening=pca whitening.dimension=2 reranking=k_reciprocal"
    prefix = "unprocessed/"
    before = {name.removeprefix(prefix): v for name, v in newest.data.metrics.items() if name.startswith(prefix)}
    assert before == pytest.approx(scores(run))
    assert "before       after      before       after\n" in printed
    evaluate(trained, *line)
    whitened, expected = scores(runs(trained)[0]), []
    for step, (old, new) in {"whitening": (before, whitened), "reranking": (whitened, scores(newest))}.items():
        heads = [f"{usage}/{metric}" for metric in ("map_at_100", "gap") for usage in ("public", "private")]
        parts = [f"{n} from {old[n]:.4f} to {new[n]:.4f}" for n in heads if round(new[n], 4) < round(old[n], 4)]
        expected += [f"{step} lowers {', '.join(parts)}"] if parts else []
    assert expected[0].startswith("whitening lowers public/map_at_100 from ")  # 2 of 24 dimensions are left
    assert "\n" + "\n".join(expected) + "\n\nevaluation" in printed
    assert newest.data.tags["lowered_by"] == ", ".join(sentence.split()[0] for sentence in expected)
    assert "lowered_by" not in run.data.tags


@pytest.mark.slow
def test_a_sweep_ends_with_a_table_of_scores(processes: Forks, trained: Path):
    line = ["run=two", "gallery=0", "reranking=none,k_reciprocal", "-m"]
    done = processes.output(*line, command="evaluate", cwd=trained)
    assert done.returncode == 0, done.stderr
    header, *rows = [re.split("  +", line.strip()) for line in done.stdout.split("\n\n")[-1].splitlines()]
    names = ["public/map_at_100", "private/map_at_100", "public/gap", "private/gap"]
    assert header == ["job", "Public mAP@100", "Private mAP@100", "Public GAP", "Private GAP", "state", "settings"]
    recorded = {run.data.params["reranking"]: run.data.metrics for run in runs(trained)[:2]}
    expected = [
        [number, *(f"{recorded[choice][name]:.5f}" for name in names), "finished", f"reranking={choice}"]
        for number, choice in (("1", "none"), ("2", "k_reciprocal"))
    ]
    assert rows == sorted(expected, key=lambda row: row[1], reverse=True)
    compared = here("compare", "study=pair", "output=-", "format=csv", "compare.evaluations=true", cwd=trained)
    evaluated = {row["reranking"]: row for row in csv.DictReader(compared.splitlines()) if row["kind"] == "evaluation"}
    assert {row["model"] for row in evaluated.values()} == {"two"}
    for choice in ("none", "k_reciprocal"):
        assert float(evaluated[choice]["public/gap"]) == pytest.approx(recorded[choice]["public/gap"], abs=1e-12)
    assert float(evaluated["none"]["public/gap.low"]) <= float(evaluated["none"]["public/gap.high"])


SENTENCES = [
    ("", "give run=NAME (or its id), or model=FOLDER of a SavedModel: one of them"),
    ("run=one model=x", "give run=NAME (or its id), or model=FOLDER of a SavedModel: one of them"),
    ("run=three", "there is no run with the id or the name three"),
    ("model=x", "model has no data set: give prepared=, or index= and queries=, or revisited= and images="),
    (
        "run=one strategy=multi_worker",
        "strategy=multi_worker: several workers train a run; one machine describes images",
    ),
    ("run=one index=x", "index: give prepared=FOLDER, or index=FOLDER queries=FOLDER, or revisited=FILE images=FOLDER"),
    ("run=one index=x queries=y", "index and queries need retrieval_solution=FILE, recognition_solution=FILE or both"),
    ("run=one index_classes=x", "index_classes: these belong to index=FOLDER queries=FOLDER"),
    ("run=one prepared=nowhere", "nowhere holds no prepared data set; make it with python -m glr.prepare data=..."),
    (
        "model=nowhere prepared=data/folder",
        "model=nowhere: no such folder; give a SavedModel's folder, or a .zip of one",
    ),
    ("model=data prepared=data/folder", "data holds no saved_model.pb, so it is not a SavedModel"),
    ("model=x prepared=data/folder tta=flip", "tta: a SavedModel makes its own views of an image"),
    ("model=x prepared=data/folder checkpoint=best", "checkpoint=best: a SavedModel has one set of weights"),
    ("run=one tta=flipp", "tta=flipp: there is no such choice; did you mean tta=flip?"),
    ("run=one neighbors=0", "neighbors=0: expected at least 1"),
    ("run=one reranking=k_reciprocal reranking.k2=50", "reranking: k2=50: expected at most k1 + 1, 21"),
    ("run=one whitening=pca whitening.dimension=17", "whitening.dimension=17: 48 train descriptors of 16 dimensions"),
]


@pytest.mark.parametrize(("line", "sentence"), SENTENCES, ids=[line or "nothing" for line, _ in SENTENCES])
def test_mistakes_get_one_sentence(trained: Path, line: str, sentence: str):
    before = [run.info.run_id for run in runs(trained) if run.info.status == "FINISHED"]
    printed = evaluate(trained, *line.split(), "gallery=0")
    assert printed.startswith("error: ")
    assert sentence in printed
    assert "\n" not in printed
    assert [run.info.run_id for run in runs(trained) if run.info.status == "FINISHED"] == before


def test_solutions_without_usages_have_plain_scores(trained: Path, pair: tuple[Path, dict], tmp_path: Path):
    shutil.copytree(pair[0], tmp_path / "pair")
    for solution in (tmp_path / "pair").glob("*_solution.csv"):
        rows = list(csv.reader(solution.open()))
        solution.write_text("".join(",".join(row[:-1]) + "\n" for row in rows))
    line = [*of_pair(tmp_path / "pair"), "gallery=0", "whitening=pca", "whitening.dimension=2"]
    printed = evaluate(trained, "run=two", *line)
    metrics = runs(trained)[0].data.metrics
    before, after = metrics["unprocessed/map_at_100"], metrics["map_at_100"]
    assert f"whitening lowers map_at_100 from {before:.4f} to {after:.4f}" in printed
    last = printed.splitlines()[-1]
    assert last.startswith("look at its gallery: ")
    assert last.endswith("viewStateShareKey=glr")  # in the study's view


def test_kept_descriptors_of_an_earlier_result_version_are_not_read(
    trained: Path, pair: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    line = ["run=two", "gallery=0", *of_pair(pair[0]), f"cache={tmp_path}"]
    for version in (1, 2, 2):
        monkeypatch.setattr(described, "RESULT_VERSION", version)
        evaluate(trained, *line)
    assert len(list(tmp_path.glob("*/index_ids.txt"))) == 2


def test_sets_that_do_not_fit(trained: Path, pair: tuple[Path, dict], tmp_path: Path):
    shutil.copytree(pair[0], tmp_path / "pair")
    folder, settings = tmp_path / "pair", of_pair(tmp_path / "pair")
    solution = folder / "retrieval_solution.csv"
    rows = list(csv.reader(solution.open()))
    solution.write_text("".join(",".join(row) + "\n" for row in [*rows, ["unknown", rows[1][1], "Public"]]))
    sentence = "queries of the retrieval solution that were not described: 1, the first of them unknown"
    assert sentence in evaluate(trained, "run=one", *settings)
    solution.write_text("".join(",".join(row) + "\n" for row in [*rows[:-1], [rows[-1][0], "nothing", "Public"]]))
    sentence = "relevant images of the retrieval solution that are not in the index: 1, the first of them nothing"
    assert sentence in evaluate(trained, "run=one", *settings)
    retrieval_only = [settings[0], settings[1], settings[3]]
    solution.write_text("".join(",".join(row) + "\n" for row in rows[:-1]))
    sentence = f"queries that no solution names, so that they cannot be scored: 1, the first of them {rows[-1][0]}"
    assert sentence in evaluate(trained, "run=one", *retrieval_only)
    twice = next((folder / "index").glob("*.jpg"))
    (folder / "index/other").mkdir()
    shutil.copy(twice, folder / "index/other")
    assert f"two images have the id {twice.stem}" in evaluate(trained, "run=one", *settings)
    shutil.rmtree(folder / "index")
    (folder / "index").mkdir()
    assert f"index={folder}/index: it holds no images" in evaluate(trained, "run=one", *settings)


def test_an_image_that_is_broken_is_named(trained: Path, pair: tuple[Path, dict], tmp_path: Path):
    shutil.copytree(pair[0], tmp_path / "pair")
    broken = next((tmp_path / "pair/index").glob("*.jpg"))
    broken.write_bytes(broken.read_bytes()[:200])
    assert f"error: {broken}: " in evaluate(trained, "run=one", *of_pair(tmp_path / "pair"))
