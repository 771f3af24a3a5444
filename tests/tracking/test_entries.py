"""Records and their JSON: what one version wrote, the next one reads, sends and continues."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.errors import GlrError
from glr.tracking.entries import (
    Artifact,
    Continue,
    DatasetUse,
    End,
    Entry,
    Metrics,
    Open,
    Params,
    Tags,
    Unreadable,
    as_json,
    from_json,
)
from glr.tracking.journal import Journal
from glr.tracking.run import begin, run
from glr.tracking.sender import send_left_behind

# A journal of the version before these classes, whole but for the address and the user's name.
FORMER = """\
{"kind": "open", "uri": "URI", "study": "tests", "name": "a run", "artifacts": null, "tags": {"mlflow.user": "ann", \
"kind": "train", "journal": "former", "key": "abc"}, "time": 1795708608287}
{"kind": "continue", "values": {"mlflow.user": "ann", "kind": "train", "journal": "former", "key": "abc"}, "attempt": 2}
{"kind": "params", "values": {"head.scale": "null", "head.margin": "0.5", "members": "[1, 2]"}}
{"kind": "tags", "values": {"device": "CPU"}}
{"kind": "metrics", "values": {"loss": 2.5, "public/gap": NaN}, "step": 1, "time": 1795708608311}
{"kind": "metrics", "values": {"loss": 1.5}, "step": 2, "time": 1795708608312}
{"kind": "dataset", "name": "Demo", "digest": "abc123", "path": "data/demo", "context": "training", \
"profile": {"images": 5}}
{"kind": "file", "place": "000007/config.yaml", "folder": null}
{"kind": "file", "place": "000008/plot.png", "folder": "plots"}
"""
END = '{"kind": "end", "status": "FINISHED", "time": 1800000000000, "values": {"descriptors": "<artifacts>/d"}}\n'
KINDS = [Open, Continue, Params, Tags, Metrics, Metrics, DatasetUse, Artifact, Artifact, End]


@pytest.fixture(autouse=True)
def _inside(work: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(work)  # the former version's study has no place for files: MLflow takes the working folder


def left(folder: Path, text: str, name: str = "former") -> str:
    """Leave a journal and the files that it names; return the store's address."""
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    for place, content in (("000007/config.yaml", b"a: 1\n"), ("000008/plot.png", b"picture")):
        (folder / "journal" / name / place).parent.mkdir(parents=True)
        (folder / "journal" / name / place).write_bytes(content)
    (folder / f"journal/{name}.jsonl").write_text(text.replace("URI", uri))
    return uri


def all_runs(uri: str) -> list[Any]:
    client = MlflowClient(uri)
    return list(client.search_runs([client.get_experiment_by_name("tests").experiment_id]))


def the_run(uri: str) -> Any:
    (only,) = all_runs(uri)
    return only


@pytest.mark.parametrize("entry", [
    Open("sqlite:///mlflow.db", "tests", "a run", None, {"journal": "j"}, 5),
    Continue({"kind": "train"}, 2),
    Params({"seed": "0"}),
    Tags({"device": "CPU"}),
    Metrics({"loss": 1e-300, "top": math.inf}, 3, 5),
    DatasetUse("Demo", "abc", "data/demo", "training", {"images": 5}),
    Artifact("000001/plot.png", "plots"),
    End("FAILED", {"failure": "no"}, 5),
    Unreadable({"kind": "of a later version", "values": [1]}),
])  # fmt: skip
def test_there_and_back(entry: Entry):
    assert from_json(json.loads(json.dumps(as_json(entry)))) == entry


def test_the_former_versions_lines_are_read_and_written_alike():
    lines = (FORMER + END).splitlines()
    entries = [from_json(json.loads(line)) for line in lines]
    assert [type(entry) for entry in entries] == KINDS
    for entry, line in zip(entries, lines, strict=True):
        assert sorted(json.dumps(as_json(entry))) == sorted(line)  # but for the order of the keys
    assert json.dumps(as_json(entries[5])) == lines[5]  # checkpoints' metrics are compared as text


@pytest.mark.parametrize("content", [
    None, 5, "open", ["kind"], {}, {"kind": "later"}, {"kind": ["open"]}, {"kind": "tags"},
    {"kind": "open", "uri": "u"}, {"kind": "tags", "values": []}, {"kind": "params", "values": {"a": 1}},
    {"kind": "metrics", "values": {"a": "1"}, "step": 1, "time": 1},
    {"kind": "metrics", "values": {"a": 1}, "step": 1.5, "time": 1},
    {"kind": "file", "place": None, "folder": None},
])  # fmt: skip
def test_other_json_is_kept_as_it_is(content: Any):
    assert from_json(content) == Unreadable(content)
    assert as_json(from_json(content)) is content


def test_a_later_versions_further_fields_are_ignored():
    assert from_json({"kind": "tags", "values": {}, "colour": "red"}) == Tags({})


def test_a_journal_of_the_former_version_is_sent(work: Path):
    uri = left(work, FORMER + END)
    assert send_left_behind(work / "journal", uri) == (1, [])
    record = the_run(uri)
    assert (record.info.run_name, record.info.status) == ("a run", "FINISHED")
    assert (record.info.start_time, record.info.end_time) == (1795708608287, 1800000000000)
    assert record.data.params == {"head.scale": "null", "head.margin": "0.5", "members": "[1, 2]"}
    assert {"device": "CPU", "key": "abc", "attempt": "2"}.items() <= record.data.tags.items()
    assert record.data.tags["descriptors"] == f"{record.info.artifact_uri}/d"
    history = MlflowClient(uri).get_metric_history(record.info.run_id, "loss")
    assert [(m.step, m.value, m.timestamp) for m in history] == [(1, 2.5, 1795708608311), (2, 1.5, 1795708608312)]
    assert math.isnan(record.data.metrics["public/gap"])
    (used,) = record.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.tags[0].value) == ("Demo", "abc123", "training")
    files = MlflowClient(uri).list_artifacts(record.info.run_id)
    assert [file.path for file in files] == ["config.yaml", "plots"]
    assert list((work / "journal").iterdir()) == []


def test_a_run_of_the_former_version_goes_on(work: Path):
    """The run's process was killed; the checkpoint holds a metric that another machine never sent."""
    uri = left(work, FORMER)
    tracking = Tracking(uri, None, str(work / "journal"), 60)
    with run(tracking, "tests", "a run", journal="former", attempt=3, continued=True) as opened:
        known = [json.loads(line) for line in FORMER.splitlines() if '"metrics"' in line]
        assert json.dumps(opened.metrics_so_far()) == json.dumps(known)
        opened.restore([*known, {"kind": "metrics", "values": {"loss": 0.5}, "step": 3, "time": 7}])
        assert len(opened.metrics_so_far()) == 3
    record = the_run(uri)
    assert (record.info.run_id, record.info.status, record.data.tags["attempt"]) == (opened.id, "FINISHED", "3")
    history = MlflowClient(uri).get_metric_history(record.info.run_id, "loss")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 2.5), (2, 1.5), (3, 0.5)]


def test_an_unknown_record_waits_and_blocks_nothing(work: Path):
    uri = left(work, FORMER + '{"kind": "colour", "values": {}}\n' + END, "aa")
    text = (work / "journal/aa.jsonl").read_text()
    other = Journal(work / "journal", "zz")
    other.append(Open(uri, "tests", "other", None, {"journal": "zz"}))
    other.append(End("FINISHED", {}))
    other.close()
    sent, waiting = send_left_behind(work / "journal", uri)
    assert (sent, len(waiting)) == (1, 1)
    assert "aa.jsonl: 1 records wait" in waiting[0]
    assert "colour" in waiting[0]
    assert [run.info.status for run in all_runs(uri)] == ["FINISHED", "FINISHED"]
    assert (work / "journal/aa.jsonl").read_text() == text  # a later version may know it


def test_a_run_starts_on_no_file_that_is_no_journal(work: Path):
    uri = left(work, '{"kind": "colour"}\n')
    tracking = Tracking(uri, None, str(work / "journal"), 60)
    with pytest.raises(GlrError, match=r"the first record of .*/former\.jsonl opens no run; move the file away"):
        begin(tracking, "tests", "a run", journal="former")
    assert (work / "journal/former.jsonl").read_text() == '{"kind": "colour"}\n'
