"""Which process may train a job, and what happens if other settings meet an interrupted run of the same name."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from glr.config.check import composed
from glr.config.identity import RESULT_VERSION, Identity, settings_of
from glr.errors import GlrError
from glr.train.claim import Claim, claimed
from tests.processes.forks import Forks


def claim(folder: Path, *overrides: str, digest: str = "abc", alone: bool = True, new: str = "new") -> Claim:
    """Claim a job and release it, as a killed process does."""
    places = [f"checkpoint.path={folder}/checkpoints", f"tracking.journal={folder}/journal"]
    config, _ = composed("train", [*places, "backbone=small_cnn", *overrides])
    identity = Identity(settings_of(config), digest)
    with claimed(config, identity, config.name or "a name", alone=alone, journal=new) as claimed_job:
        return claimed_job


def test_the_same_command_continues_in_the_same_journal(tmp_path: Path):
    first = claim(tmp_path, new="one")
    assert (first.journal, first.attempt) == ("one", 1)
    second = claim(tmp_path, "tracking.artifacts=elsewhere", "strategy=cpu", new="two")  # only circumstances differ
    assert second.folder == first.folder
    assert (second.journal, second.attempt) == ("one", 2)
    second.release()
    assert not Path(second.folder).exists()
    assert claim(tmp_path, new="three").journal == "three"


def test_a_changed_setting_is_refused_with_the_difference(tmp_path: Path):
    first = claim(tmp_path)
    assert claim(tmp_path, "train.epochs=7", new="other").attempt == 1  # nothing was trained that could be continued
    (Path(first.folder) / "step-0000000001.npz").write_bytes(b"x")
    with pytest.raises(GlrError) as refused:
        claim(tmp_path, "optimizer.learning_rate=0.5", "train.epochs=8")
    message = str(refused.value)
    assert "run a name of study demo is unfinished, and had other settings (" in message
    assert "optimizer.learning_rate: 0.0004 -> 0.5; " in message
    assert "train.epochs: 3 -> 8" in message
    assert "resume=never" in message
    assert claim(tmp_path, "seed=1", "name=another").attempt == 1
    assert claim(tmp_path, "seed=2", alone=False).attempt == 1  # jobs of a sweep differ by intention
    assert claim(tmp_path).attempt == 2


def test_a_run_begun_by_a_version_with_other_results_is_not_continued(tmp_path: Path):
    begun, earlier = claim(tmp_path), tmp_path / "checkpoints" / f"{'0' * 16}-abc"
    Path(begun.folder).rename(earlier)
    (earlier / "step-0000000001.npz").write_bytes(b"x")
    note = json.loads((earlier / "run.json").read_text())
    assert note.pop("result_version") == RESULT_VERSION  # notes of version 1 lack it
    (earlier / "run.json").write_text(json.dumps(note | {"key": "0" * 16}))
    with pytest.raises(GlrError, match="is unfinished, and another version of glr began it, whose results differ; "):
        claim(tmp_path)
    assert claim(tmp_path, "resume=never").attempt == 1


def test_resume_never_starts_anew_and_leaves_the_old_one_be(tmp_path: Path):
    old = claim(tmp_path, new="one")
    (Path(old.folder) / "step-0000000001.npz").write_bytes(b"old")
    changed = claim(tmp_path, "seed=1", "resume=never", new="two")
    assert (changed.journal, changed.attempt) == ("two", 1)
    assert claim(tmp_path, "seed=1").attempt == 2
    again = claim(tmp_path, "resume=never", new="three")
    assert (again.folder, again.journal, again.attempt) == (old.folder, "three", 1)
    assert [file.name for file in Path(again.folder).iterdir()] == ["run.json"]


@pytest.mark.parametrize("alone", [True, False])
def test_changed_data_are_refused(tmp_path: Path, alone: bool):
    first = claim(tmp_path)
    (Path(first.folder) / "step-0000000001.npz").write_bytes(b"x")
    with pytest.raises(GlrError, match=r"data/demo has changed since this run was interrupted; .* resume=never"):
        claim(tmp_path, f"data.path={Path('data/demo').resolve()}", digest="def", alone=alone)
    assert claim(tmp_path, "resume=never", digest="def", alone=alone).attempt == 1
    assert claim(tmp_path, digest="def", alone=alone).attempt == 2


def test_a_sweep_over_data_sets_keeps_their_jobs_apart(tmp_path: Path):
    first = claim(tmp_path, alone=False)
    (Path(first.folder) / "step-0000000001.npz").write_bytes(b"x")
    other = claim(tmp_path, "data.path=data/other", digest="def", alone=False)
    assert (other.attempt, other.folder != first.folder) == (1, True)
    assert claim(tmp_path, alone=False).attempt == 2


def test_half_written_checkpoints_are_cleared_away(tmp_path: Path):
    first = claim(tmp_path)
    part = Path(first.folder) / "step-0000000001.npz.12.part"
    part.write_bytes(b"x")
    claim(tmp_path)
    assert not part.exists()
    assert json.loads((Path(first.folder) / "run.json").read_text())["settings"]["seed"] == 0


HOLD = """
import sys, time
from pathlib import Path
from glr.config.check import composed
from glr.config.resolvers import setup
from glr.config.identity import Identity, settings_of
from glr.train.claim import claimed
setup()
folder = Path(sys.argv[1])
places = [f"checkpoint.path={folder}/checkpoints", f"tracking.journal={folder}/journal"]
config, _ = composed("train", [*places, "backbone=small_cnn"])
with claimed(config, Identity(settings_of(config), "abc"), "a name", alone=True, journal="held"):
    (folder / "ready").touch()
    time.sleep(60)
"""


def test_one_of_two_processes_wins_and_the_other_says_so(processes: Forks, tmp_path: Path):
    process = processes.start(HOLD, str(tmp_path), command="-c", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline, (tmp_path / "log.txt").read_text()
        time.sleep(0.02)
    with pytest.raises(GlrError, match=rf"another process \({process}\) is training this run; wait for it"):
        claim(tmp_path)
    assert claim(tmp_path, "seed=5").attempt == 1  # one that is alive refuses nothing but itself
    os.kill(process, signal.SIGKILL)
    assert processes.wait(process) == -signal.SIGKILL
    assert claim(tmp_path).journal == "held"


def test_a_machine_that_has_lost_its_run_to_another_is_told(tmp_path: Path):
    """The machine has its own lock, and shares the checkpoints."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two/checkpoints").symlink_to(tmp_path / "one/checkpoints")
    (tmp_path / "one/checkpoints").mkdir(parents=True)
    first = claim(tmp_path / "one")
    first.verify()
    second = claim(tmp_path / "two")
    second.verify()
    assert (second.journal, second.attempt) == (first.journal, 2)
    with pytest.raises(GlrError, match="the same command was started on another machine, which continues this run"):
        first.verify()
    first.release()
    second.verify()
    assert (Path(second.folder) / "run.json").exists()
    second.release()
    assert not Path(second.folder).exists()
    first.verify()  # nothing is there that it could spoil


def test_one_that_was_left_and_then_continued_counts_again(tmp_path: Path):
    old = claim(tmp_path)
    (Path(old.folder) / "step-0000000001.npz").write_bytes(b"x")
    claim(tmp_path, "seed=1", "resume=never")
    assert claim(tmp_path, "seed=2").attempt == 1
    assert claim(tmp_path).attempt == 2
    with pytest.raises(GlrError, match="is unfinished, and had other settings"):
        claim(tmp_path, "seed=3")


def test_one_that_diverged_refuses_no_other_settings(tmp_path: Path):
    diverged = claim(tmp_path)
    (Path(diverged.folder) / "step-0000000001.npz").write_bytes(b"x")
    diverged.abandon()
    assert claim(tmp_path, "optimizer.learning_rate=0.0001").attempt == 1


def test_one_whose_last_records_wait_is_cleared_away_when_they_are_sent(tmp_path: Path, monkeypatch):
    (journal := tmp_path / "journal/one.jsonl").parent.mkdir()
    journal.touch()
    first = claim(tmp_path, new="one")
    (checkpoint := Path(first.folder) / "step-0000000001.npz").write_bytes(b"x")
    first.complete()
    assert claim(tmp_path, "seed=1").attempt == 1  # other settings are not refused: it is not unfinished
    assert checkpoint.exists()
    journal.unlink()
    # Another machine's journals do not tell what has been sent:
    assert claim(tmp_path, "seed=1", "train.epochs=9", f"tracking.journal={tmp_path}/elsewhere").attempt == 1
    assert checkpoint.exists()
    monkeypatch.setattr("socket.gethostname", lambda: "a pod that was started again")
    claim(tmp_path, "seed=2")
    assert not checkpoint.exists()
    again = claim(tmp_path, new="two")
    assert (again.journal, again.attempt) == ("two", 1)


def test_no_secret_is_in_the_note(tmp_path: Path):
    own = claim(tmp_path, "data.path=http://ann:hunter2@host/x")
    assert "hunter2" not in (Path(own.folder) / "run.json").read_text()
