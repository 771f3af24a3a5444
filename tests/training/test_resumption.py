"""Who may train a job, and what an interrupted run of the same name means to a command that differs."""

import json
import multiprocessing
from pathlib import Path

import pytest

from glr.config.check import composed
from glr.errors import GlrError
from glr.training.resumption import Claim, claimed


def claim(folder: Path, *overrides: str, digest: str = "abc", alone: bool = True, new: str = "new") -> Claim:
    """Claim a job and let go of it, as a process that is killed does."""
    places = [f"checkpoint.path={folder}/checkpoints", f"tracking.journal={folder}/journal"]
    config, _ = composed("train", [*places, "backbone=small_cnn", *overrides])
    with claimed(config, digest, config.name or "a name", alone=alone, journal=new) as found:
        return found


def test_the_same_command_continues_in_the_same_journal(tmp_path: Path):
    first = claim(tmp_path, new="one")
    assert (first.journal, first.continues) == ("one", False)
    second = claim(tmp_path, "tracking.artifacts=elsewhere", "strategy=cpu", new="two")  # only circumstances differ
    assert (second.key, second.folder) == (first.key, first.folder)
    assert (second.journal, second.continues) == ("one", True)
    second.release()
    assert not Path(second.folder).exists()
    assert claim(tmp_path, new="three").journal == "three"


def test_a_changed_setting_is_refused_with_the_difference(tmp_path: Path):
    first = claim(tmp_path)
    assert not claim(tmp_path, "train.epochs=7", new="other").continues  # nothing was trained that could be continued
    (Path(first.folder) / "step-0000000001.npz").write_bytes(b"x")
    with pytest.raises(GlrError) as refused:
        claim(tmp_path, "optimizer.learning_rate=0.5", "train.epochs=8")
    said = str(refused.value)
    assert "run a name of study demo was interrupted with other settings (" in said
    assert "optimizer.learning_rate: 0.0004 -> 0.5; " in said
    assert "train.epochs: 3 -> 8" in said
    assert "resume=never" in said
    assert not claim(tmp_path, "seed=1", "name=another").continues
    assert not claim(tmp_path, "seed=2", alone=False).continues  # jobs of a sweep differ by intention
    assert claim(tmp_path).continues


def test_resume_never_starts_anew_and_leaves_the_old_one_be(tmp_path: Path):
    old = claim(tmp_path, new="one")
    (Path(old.folder) / "step-0000000001.npz").write_bytes(b"old")
    changed = claim(tmp_path, "seed=1", "resume=never", new="two")
    assert (changed.journal, changed.continues) == ("two", False)
    assert claim(tmp_path, "seed=1").continues
    again = claim(tmp_path, "resume=never", new="three")
    assert (again.key, again.journal, again.continues) == (old.key, "three", False)
    assert [file.name for file in Path(again.folder).iterdir()] == ["run.json"]


def test_changed_data_are_refused(tmp_path: Path):
    claim(tmp_path)
    with pytest.raises(GlrError, match=r"data/demo has changed since this run was interrupted; .* resume=never"):
        claim(tmp_path, digest="def")
    assert not claim(tmp_path, "resume=never", digest="def").continues


def test_half_written_checkpoints_are_cleared_away(tmp_path: Path):
    first = claim(tmp_path)
    part = Path(first.folder) / "step-0000000001.npz.12.part"
    part.write_bytes(b"x")
    claim(tmp_path)
    assert not part.exists()
    assert json.loads((Path(first.folder) / "run.json").read_text())["settings"]["seed"] == 0


def hold(folder: Path, ready, done) -> None:
    from glr.config.command import setup

    setup()
    places = [f"checkpoint.path={folder}/checkpoints", f"tracking.journal={folder}/journal"]
    config, _ = composed("train", [*places, "backbone=small_cnn"])
    with claimed(config, "abc", "a name", alone=True, journal="held"):
        ready.set()
        done.wait(60)


def test_one_of_two_processes_wins_and_the_other_says_so(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready, done))
    process.start()
    assert ready.wait(60)
    with pytest.raises(GlrError, match=rf"another process \({process.pid}\) trains this very run; wait for it"):
        claim(tmp_path)
    assert not claim(tmp_path, "seed=5").continues  # one that is alive refuses nothing but itself
    process.kill()
    process.join()
    assert claim(tmp_path).journal == "held"
