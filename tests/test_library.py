"""The public Python interface: importing it is cheap, and a command called from Python does what a shell's does."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins

import glr
import glr.config.started
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.tracking.history import find
from glr.tracking.store import connect
from tests.conftest import here


def store(folder: Path) -> dict[str, str]:
    return {"tracking.uri": f"sqlite:///{folder}/mlruns/mlflow.db"}


def test_the_import_is_light():
    line = [sys.executable, "-X", "importtime", "-c", "import glr; dir(glr)"]
    imported = subprocess.run(line, capture_output=True, text=True, check=True).stderr
    heavy = ("tensorflow", "keras", "mlflow", "matplotlib", "hydra", "numpy", "pandas")
    assert not re.findall(rf"\| +({'|'.join(heavy)})\b", imported)
    assert "load" in dir(glr)
    with pytest.raises(AttributeError, match="module 'glr' has no attribute 'lode'"):
        _ = glr.lode


def test_compose_gives_the_checked_settings():
    config = glr.compose(
        "train", "head=arcface", "backbone=small_cnn", seed=3, **{"data.source.path": None}, data="folder"
    )
    assert (config.head.label, config.seed, config.data.source.path) == ("ArcFace(s=C-1, m=0.5)", 3, None)
    with pytest.raises(GlrError, match=r"head\.marign is not a setting; did you mean head\.margin"):
        glr.compose("train", head="arcface", **{"head.marign": 0.1})
    with pytest.raises(GlrError, match="there is no command retrain; `python -m glr` lists them"):
        glr.compose("retrain")


def test_a_call_leaves_hydras_plugins_as_they_are():
    before = Plugins.instance().discover()
    glr.compose("score", predictions="p.csv", solution="s.csv")
    assert Plugins.instance().discover() == before


@pytest.fixture(scope="module")
def two(trained: Path) -> list:
    """Two trainings in one process, of the same settings, called from Python in the folder of the run `one`."""
    before = HydraConfig.initialized(), GlobalHydra.instance().is_initialized(), sys.argv, dict(os.environ)
    images = Path(str(PreparedData(trained / "data/folder").settings["source.path"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained)
        done = [
            glr.run(
                "train",
                *["backbone=small_cnn", "backbone.width=8", "data=folder", "head=adacos_semi"],
                name=name,
                study="library",
                **{
                    **{"data.source.path": images, "data.source.retrieval_classes": 0.5},
                    **{"data.source.query_images": 0.25, "data.image_size": 16, "model.embedding_size": 16},
                    **{"model.batchnorm_momentum": 0.5, "train.batch_size": 12, "train.epochs": 2},
                    **{"optimizer.learning_rate": 0.01, "evaluate.gap.neighbors": 1, "evaluate.gallery": 0},
                },
                **store(trained),
            )
            for name in ("first", "second")
        ]
    assert (HydraConfig.initialized(), GlobalHydra.instance().is_initialized(), sys.argv, dict(os.environ)) == before
    return done


def test_trainings_in_one_process_equal_a_commands(two: list, trained: Path):
    """The run `one` has the same settings, and was trained by a command line."""
    second = two[1]
    client = connect(store(trained)["tracking.uri"])
    one = find(client, "pair/one")
    for done in two:
        run = find(client, done.id)
        assert (run.study, run.status, run.name) == ("library", "FINISHED", done.name)
        assert run.tags["command"].startswith("python -m glr.train backbone=small_cnn")
        assert done.metrics["trained"]["public/gap"] == run.metrics["public/gap"] == one.metrics["public/gap"]
        assert done.score == run.metrics["public_score"]
        assert "mlflow ui" in done.pages
        models = [glr.load(name, **store(trained)) for name in (done.id, "pair/one")]
        for mine, theirs in zip(*(model.network.weights for model in models), strict=True):
            assert np.array_equal(mine.numpy(), theirs.numpy())
    scores = second.scores
    assert list(scores.columns)[:2] == ["public", "private"]
    assert scores.loc["gap", "public"] == second.metrics["trained"]["public/gap"]
    assert "<table" in second._repr_html_()


def test_evaluate_and_compare_return_what_they_print(two: list, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(trained)
    done = glr.run("evaluate", run=two[0].id, query_expansion="alpha", gallery=0, **store(trained))
    assert list(done.metrics) == ["before", "after"]
    assert done.metrics["before"]["public/map_at_100"] == two[0].metrics["trained"]["public/map_at_100"]
    assert f"{done.scores.loc['map_at_100', 'private']:.4f}" in capsys.readouterr().out
    table = glr.run("compare", study="pair", **store(trained)).table
    assert len(table[table["kind"] == "train"]) == 2
    assert capsys.readouterr().out.count("|") > 10  # without a README the tables are printed


def test_a_mistake_is_one_sentence_and_ends_nothing(trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(trained)
    for arguments, settings, message in (
        (("train", "head=arcfase"), {}, "did you mean head=arcface"),
        (("train",), {"seed": [1, 2]}, "seed"),
        (("train", "seed=1,2"), {}, "several values make a sweep; add -m to run them all"),
        (("train",), {"name": object()}, "name: a setting cannot be a object"),
        (("train", "--bogus"), {}, "glr train has ended: its arguments cannot be read"),
        (("evaluate",), {}, "give run=NAME"),
        (("compare",), {"study": "lost", **store(trained)}, "no such study"),
    ):
        with pytest.raises(GlrError, match=message):
            glr.run(*arguments, **settings)


def test_a_sweep_starts_processes_and_leaves_no_trace(trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(trained)
    before = dict(os.environ)
    settings = {"gallery": 0, **store(trained)}
    assert glr.run("evaluate", "run=pair/one", "query_expansion=alpha", "-m", **settings) is None
    assert dict(os.environ) == before
    evaluations = connect(settings["tracking.uri"]).search_runs(
        [connect(settings["tracking.uri"]).get_experiment_by_name("pair").experiment_id], "tags.kind = 'evaluation'"
    )
    assert "alpha" in {run.data.params["query_expansion"] for run in evaluations}
    with pytest.raises(GlrError, match="there is no run with the id or the name lost"):
        glr.run("evaluate", "run=pair/one,lost", "-m", **settings)


def test_two_threads_do_not_mix_their_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(glr.config.started, "_WAIT", 60.0)
    line, composed = list(sys.argv), {}

    def compose(seed: int) -> None:
        composed[seed] = glr.compose("score", predictions=f"{seed}.csv", solution="s.csv").predictions

    threads = [threading.Thread(target=compose, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert composed == {seed: f"{seed}.csv" for seed in range(6)}
    assert sys.argv == line


def test_a_second_command_at_the_same_time_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(glr.config.started, "_WAIT", 0.05)
    refused: list[str] = []

    def compose() -> None:
        try:
            glr.compose("score", predictions="p.csv", solution="s.csv")
        except GlrError as error:
            refused.append(str(error))

    with glr.config.started.started([]):
        thread = threading.Thread(target=compose)
        thread.start()
        thread.join()
    assert "another thread of this process runs a command of glr" in refused[0]


def test_another_thread_may_train(trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(trained)
    scores: list = []

    def evaluate() -> None:
        scores.append(glr.run("evaluate", run="pair/one", gallery=0, **store(trained)).score)

    thread = threading.Thread(target=evaluate)
    thread.start()
    thread.join()
    assert 0 < scores[0] <= 1
    assert here("evaluate", "run=pair/one", "gallery=0", cwd=trained).count(f"{scores[0]:.4f}") >= 1
