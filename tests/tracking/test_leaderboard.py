"""A published study in a real store."""

import shutil
from pathlib import Path

import pytest

from glr.errors import GlrError
from glr.tracking.history import find
from glr.tracking.leaderboard import record_run, record_study
from glr.tracking.store import connect
from tests.conftest import here


def test_recording_twice_changes_nothing_and_a_lost_row_comes_back(recorded: Path, tmp_path: Path):
    shutil.copytree(recorded / "mlruns", tmp_path / "mlruns")
    assert here("record", "store=moved", cwd=tmp_path).endswith(f"; they were in {recorded}/mlruns\n")
    client = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    study = client.get_experiment_by_name("published").experiment_id
    before = {run.info.run_id for run in client.search_runs([study])}
    assert record_study(client, "published", None) == (23, 0)
    client.delete_run(min(before))
    # A row cut off before its last line must be written again.
    client.delete_tag(max(before), "recorded.digest")
    assert record_study(client, "published", None) == (23, 2)
    after = {run.info.run_id for run in client.search_runs([study])}
    assert len(after) == 23
    assert len(after & before) == 21


def test_a_recorded_run_has_all_parameters_of_its_experiment_and_its_source(recorded: Path):
    client = connect(f"sqlite:///{recorded}/mlruns/mlflow.db")
    study = client.get_experiment_by_name("published").experiment_id
    (run,) = client.search_runs([study], "attributes.run_name = '15_xception_cosine_high_rate'")
    assert run.data.metrics == {"leaderboard/public": 0.27472, "leaderboard/private": 0.24278}
    assert "Google_Landmark_Retrieval_2020" in run.data.tags["source"]
    params = run.data.params
    assert (params["backbone"], params["schedule"], params["strategy"]) == ("xception", "cosine", "auto")
    assert (params["schedule.peak"], params["train.batch_size"], params["augment.rotation"]) == ("0.001", "128", "15.0")
    (failed,) = client.search_runs([study], "attributes.run_name = '12_xception_arcface'")
    assert (failed.info.status, failed.data.metrics) == ("FAILED", {})


def test_a_leaderboards_word_on_a_run_can_be_corrected(recorded: Path, tmp_path: Path):
    shutil.copytree(recorded / "mlruns", tmp_path / "mlruns")
    assert here("record", "store=moved", cwd=tmp_path).endswith(f"; they were in {recorded}/mlruns\n")
    client = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    for score in (0.5, 0.25):
        record_run(client, "12_xception_arcface", public=score, private=0.4)
        metrics = find(client, "12_xception_arcface").metrics
        assert (metrics["leaderboard/public"], metrics["leaderboard/private"]) == (score, 0.4)


def test_a_study_that_nobody_published(work: Path):
    with pytest.raises(GlrError, match=r"study=mine: .*leaderboard\.yaml does not exist; recorded studies: published"):
        record_study(connect(f"sqlite:///{work}/mlruns/mlflow.db"), "mine", None)
