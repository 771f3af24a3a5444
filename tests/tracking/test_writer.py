"""Records that are written twice, or out of order, to a real store."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from glr.tracking.entries import Continue, DatasetUse, End, Metrics, Open, Params, Tags
from glr.tracking.store import connect
from glr.tracking.writer import RunWriter, is_refusal


@pytest.fixture
def client(work: Path) -> MlflowClient:
    return connect(f"sqlite:///{work}/mlruns/mlflow.db")


def opened(client: MlflowClient, work: Path) -> RunWriter:
    return RunWriter.opened(client, Open("", "study", "a run", str(work / "files"), {"journal": "j"}))


RECORDS = [
    Continue({"device": "CPU"}, 1),
    Params({"seed": "1"}),
    Metrics({"loss": 0.5}, 1),
    Metrics({"loss": 0.25}, 2),
    DatasetUse("Demo", "abc", "data/demo", "training", {"images": 5}),
    Tags({"place": "<artifacts>/x"}),
    End("FINISHED", {"note": "well"}),
]


def test_what_is_written_again_changes_nothing(client: MlflowClient, work: Path):
    writer = opened(client, work)
    again = opened(client, work)
    assert again.run_id == writer.run_id
    for record in RECORDS:
        writer.write(record)
    for record in RECORDS[1:]:
        again.write(record)
    run = client.get_run(writer.run_id)
    assert [(m.step, m.value) for m in client.get_metric_history(writer.run_id, "loss")] == [(1, 0.5), (2, 0.25)]
    assert run.data.params == {"seed": "1"}
    assert run.data.tags["place"] == f"{work.as_uri()}/files/{writer.run_id}/artifacts/x"
    assert len(run.inputs.dataset_inputs) == 1
    assert (run.info.status, run.data.tags["note"]) == ("FINISHED", "well")


def test_the_first_value_stays(client: MlflowClient, work: Path):
    writer = opened(client, work)
    for record in (Metrics({"loss": 0.5}, 1), Params({"seed": "1"}), Metrics({"loss": 0.75}, 1), Params({"seed": "2"})):
        writer.write(record)
    run = client.get_run(writer.run_id)
    assert (run.data.metrics, run.data.params) == ({"loss": 0.5}, {"seed": "1"})


def test_an_earlier_attempt_sets_neither_status_nor_tags(client: MlflowClient, work: Path):
    late, early = opened(client, work), opened(client, work)
    late.write(Continue({"device": "new"}, 2))
    for record in (
        Continue({"device": "old"}, 1),
        Tags({"device": "old"}),
        Metrics({"loss": 0.5}, 1),
        End("KILLED", {}),
    ):
        early.write(record)
    run = client.get_run(late.run_id)
    assert (run.info.status, run.data.tags["device"], run.data.metrics) == ("RUNNING", "new", {"loss": 0.5})


def test_more_metrics_than_a_request_takes(client: MlflowClient, work: Path):
    writer = opened(client, work)
    writer.write_metrics([Metrics({"a": step / 7, "b": 0.0}, step) for step in range(1200)])
    assert [m.value for m in client.get_metric_history(writer.run_id, "a")] == [step / 7 for step in range(1200)]


def test_a_record_that_mlflow_never_takes(client: MlflowClient, work: Path):
    with pytest.raises(MlflowException) as refused:
        opened(client, work).write(Metrics({"recall@1": 0.5}, 1))
    assert is_refusal(refused.value)
    assert not is_refusal(OSError("the disk is full"))


def test_an_earlier_attempt_adds_files_and_replaces_none(client: MlflowClient, work: Path):
    late, early = opened(client, work), opened(client, work)
    for attempt, writer in ((2, late), (1, early)):
        writer.write(Continue({}, attempt))
        for name in ("log.txt", f"{attempt}.txt"):
            (work / name).write_text(f"attempt {attempt}")
            writer.store(work / name, "logs")
    files = Path(client.download_artifacts(late.run_id, "logs"))
    assert {file.name: file.read_text() for file in files.iterdir()} == {
        **{"log.txt": "attempt 2", "1.txt": "attempt 1", "2.txt": "attempt 2"}
    }
