"""Each record of a journal is sent once; tests/attacks/test_record.py has the obstacles."""

import json
from pathlib import Path

from mlflow import MlflowClient

from glr.tracking.entries import Artifact, Continue, Metrics, Open
from glr.tracking.journal import Journal, Progress
from glr.tracking.run import run
from glr.tracking.sending import Sending
from tests.tracking.test_sender import history, options


def test_what_was_sent_from_memory_and_lost_by_a_kill_hides_no_later_record(work: Path):
    """The disk was full: the journal holds less than was sent."""
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    with run(**options(uri, work, journal="j")) as opened:
        opened.metrics({"loss": 0.5}, 1)
    again = Journal(work / "journal", "j")
    again.append(Open(uri, "tests", "a run", None, {"journal": "j"}))
    again.note_sent(Progress(opened.id, next=9))
    again.append(Continue({}, None))
    again.append(Metrics({"loss": 0.5}, 1))
    sending = Sending(again)
    assert sending.unsent == 0
    again.failure = "the disk is full"
    again.entries.append(Metrics({"loss": 0.125}, 3))
    while sending.advance(MlflowClient(uri)):
        pass
    assert json.loads(again.kept("sent.json").read_text())["next"] == 9  # on disk there are fewer
    assert (3, 0.125) in history(uri, opened.id, "loss")
    again.remove()


def test_a_file_that_waited_does_not_replace_its_newer_version(work: Path):
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    journal = Journal(work / "journal", "j")
    journal.append(Open(uri, "tests", "a run", str(work / "files"), {"journal": "j"}))
    for text in ("begun", "begun and continued"):
        journal.append(Artifact(journal.keep(text.encode(), "log.txt"), None))
    sending = Sending(journal)
    sending.progress = Progress(next=2, later=[1])  # the store had no room for the first
    while sending.advance(MlflowClient(uri)):
        pass
    assert sending.unsent == 0
    file = MlflowClient(uri).download_artifacts(sending.writer.run_id, "log.txt")
    assert Path(file).read_text() == "begun and continued"
    journal.remove()
