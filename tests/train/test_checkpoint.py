"""Checkpoints restore every bit; damaged or truncated ones are skipped; a full disk does not stop training."""

import time
from pathlib import Path

import keras
import numpy as np
import pytest

from glr import storage
from glr.errors import GlrError
from glr.train.checkpoint import CheckpointError, Checkpoints, clear
from glr.train.state import Best, EpochSums, State
from tests.conftest import no_file_beyond
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs


def variables(seed: int) -> list[keras.Variable]:
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(50, 7)).astype(np.float32)
    return [
        keras.Variable(numbers, dtype="float32"),
        keras.Variable(np.array(seed, np.int64), dtype="int64", trainable=False),
        keras.Variable(numbers[0].astype(np.float16), dtype="float16"),
        keras.Variable(np.array(np.nan, np.float32), dtype="float32"),
    ]


def checkpoints(folder: Path | str, **options) -> Checkpoints:
    chosen = {"keep": 2, "minutes": None, "steps": None, "epochs": None, "steps_per_epoch": 10} | options
    return Checkpoints(str(folder), **chosen)


def saved(kept: Checkpoints, *steps: int, best: int | None = None) -> None:
    for step in steps:
        state = State(step=step, best=None if best is None or step < best else Best(0.5, 1, best))
        kept.save(state, variables(step))
        assert kept.wait()


def same(actual: list[keras.Variable], expected: list[keras.Variable]) -> bool:
    return all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(actual, expected, strict=True))


def test_every_bit_comes_back(tmp_path: Path):
    state = State(
        step=12,
        sums=EpochSums(loss=0.1 + 0.2, accuracy=1 / 3, steps=2, seconds=1e-9, waited=0.5),
        skipped=1,
        evaluated=1,
        best=Best(0.1234567890123456789, 1, 10),
        scores={"trained": {"public/gap": 0.1}},
        metrics=[{"kind": "metrics", "values": {"loss": 1e-300}, "step": 1, "time": 5}],
    )
    checkpoints(tmp_path / "run").save(state, variables(3))
    kept = checkpoints(tmp_path / "run")
    deadline = time.monotonic() + 10
    while not list((tmp_path / "run").glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    restored = variables(4)
    assert kept.latest(restored) == state
    assert same(restored, variables(3))
    assert checkpoints(tmp_path / "none").latest(restored) is None


@pytest.mark.usefixtures("gcs")
def test_in_a_bucket(gcs_folder: str):
    saved(checkpoints(f"{gcs_folder}/run"), 1, 2, 3, best=1)
    assert sorted(storage.files(f"{gcs_folder}/run")) == [f"step-000000000{n}.npz" for n in (1, 2, 3)]
    restored = variables(0)
    state = checkpoints(f"{gcs_folder}/run").latest(restored)
    assert state is not None
    assert (state.step, same(restored, variables(3))) == (3, True)
    clear(f"{gcs_folder}/run")
    assert storage.files(f"{gcs_folder}/run") == {}


@pytest.mark.parametrize("damage", ["cut off", "one bit", "empty", "half written"])
def test_one_that_is_damaged_is_never_taken(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture):
    saved(checkpoints(tmp_path), 1, 2)
    newest = tmp_path / "step-0000000002.npz"
    content = newest.read_bytes()
    if damage == "half written":
        newest.rename(tmp_path / "step-0000000002.npz.0123abcd.part")
    elif damage == "one bit":
        middle = len(content) // 3  # within the first array
        newest.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        newest.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"")
    restored = variables(0)
    state = checkpoints(tmp_path).latest(restored)
    assert state is not None
    assert (state.step, same(restored, variables(1))) == (1, True)
    if damage != "half written":
        assert "step-0000000002.npz is skipped: it is damaged" in capsys.readouterr().err


def test_the_latest_and_the_best_are_kept(tmp_path: Path):
    kept = checkpoints(tmp_path, keep=2)
    saved(kept, 1, 2, 3, 4, 5, best=2)
    assert sorted(storage.files(tmp_path)) == [f"step-000000000{n}.npz" for n in (2, 4, 5)]
    restored = variables(0)
    kept.weights_of(2, restored[:2], [0, 1])
    assert same(restored, [*variables(2)[:2], *variables(0)[2:]])
    with pytest.raises(CheckpointError, match=r"step-0000000003\.npz is missing or damaged"):
        kept.weights_of(3, restored, range(4))


def test_one_that_cannot_be_read_now_is_not_passed_over(gcs: Gcs, gcs_folder: str):
    """The checkpoint may be intact: continuing from the one before would lose its steps."""
    saved(checkpoints(f"{gcs_folder}/run"), 1, 2)
    gcs.fault(Fault("GET", "/download", 403, times=1000))
    with pytest.raises(GlrError, match=r"step-0000000002\.npz"):
        checkpoints(f"{gcs_folder}/run").latest(variables(0))
    gcs.fault()
    state = checkpoints(f"{gcs_folder}/run").latest(variables(0))
    assert state is not None
    assert state.step == 2


def test_damaged_ones_ahead_push_none_of_the_new_ones_out(tmp_path: Path):
    saved(checkpoints(tmp_path), 1, 8, 9)
    for step in (8, 9):
        (tmp_path / f"step-000000000{step}.npz").write_bytes(b"")
    kept = checkpoints(tmp_path, keep=2)
    assert kept.latest(variables(0)) is None  # the first was pruned before they were damaged
    saved(kept, 2, 3, 4)
    state = checkpoints(tmp_path).latest(variables(0))
    assert state is not None
    assert state.step == 4


def test_a_full_disk_is_said_and_leaves_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture):
    kept = checkpoints(tmp_path)
    saved(kept, 1)
    with no_file_beyond(500):
        kept.save(State(step=2), variables(2))
        assert not kept.wait()
    output = capsys.readouterr().err
    assert "step-0000000002.npz: File too large; make room" in output
    assert "the last one is of step 1" in output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["step-0000000001.npz"]
    kept.save(State(step=2), variables(2))  # the very same state, now that there is room
    assert kept.wait()
    assert (tmp_path / "step-0000000002.npz").exists()


def test_anothers_model_is_refused(tmp_path: Path):
    saved(checkpoints(tmp_path), 1)
    with pytest.raises(GlrError, match=r"does not fit this model \(4 arrays, this model has 3\): .* resume=never$"):
        checkpoints(tmp_path).latest(variables(0)[:3])
    other = [*variables(0)[:-1], keras.Variable(np.zeros((2, 9)), name="kernel")]
    with pytest.raises(GlrError, match=r"\(kernel of the shape \[.*\], in this model \[2, 9\]\)"):
        checkpoints(tmp_path).latest(other)


def test_when_it_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    by_steps = checkpoints(tmp_path / "steps", steps=5)
    assert [by_steps.due(State(step=step)) for step in (1, 4, 5, 7)] == [False, False, True, True]
    saved(by_steps, 5)
    assert [by_steps.due(State(step=step)) for step in (6, 9, 10)] == [False, False, True]
    by_epochs = checkpoints(tmp_path / "epochs", epochs=2)
    assert [by_epochs.due(State(step=step)) for step in (19, 20)] == [False, True]
    by_minutes = checkpoints(tmp_path / "minutes", minutes=1)
    monkeypatch.setattr(time, "time", lambda: -1e9)  # the clock jumps back
    assert not by_minutes.due(State(step=1))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert by_minutes.due(State(step=1))
    assert not checkpoints(tmp_path / "never").due(State(step=10**9))


def test_the_same_state_is_written_once(tmp_path: Path):
    kept = checkpoints(tmp_path)
    saved(kept, 1)
    stamp = (tmp_path / "step-0000000001.npz").stat().st_mtime_ns
    kept.save(State(step=1), variables(9))
    kept.wait()
    assert (tmp_path / "step-0000000001.npz").stat().st_mtime_ns == stamp


def test_a_bucket_out_of_reach_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    kept = checkpoints(tmp_path)
    saved(kept, 1)
    with monkeypatch.context() as away:

        def fails(*_: object, **__: object) -> None:
            raise GlrError("out of reach")

        away.setattr(storage, "write", fails)
        away.setattr(storage, "files", fails)
        kept.save(State(step=2), variables(2))
        assert not kept.wait()
    assert capsys.readouterr().err == "\na checkpoint could not be written: out of reach\n"
    kept.save(State(step=2), variables(2))  # again, though this step has had its turn
    assert kept.wait()
    assert sorted(storage.files(tmp_path)) == ["step-0000000001.npz", "step-0000000002.npz"]


def test_the_log_so_far_lies_beside_the_checkpoints_and_goes_with_them(tmp_path: Path):
    kept = checkpoints(tmp_path / "run")
    for step, log in ((1, "begun\n"), (2, "begun\nepoch 1\n")):
        kept.save(State(step=step), variables(step), log)
        assert kept.wait()
        assert (tmp_path / "run/log.txt").read_text() == log
    assert (restored := kept.latest(variables(0))) is not None
    assert restored.step == 2
    clear(str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
