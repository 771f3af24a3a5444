"""A full disk, a vanished pipe or a closed terminal neither ends nor loses work."""

import os
import pty
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glr.errors import is_no_room
from glr.retrieval.descriptors import DescriptorWriter
from glr.sweep import progress
from glr.sweep.job import Job, JobState
from glr.sweep.pool import JobLimits, Pool, Stopping
from glr.sweep.process import local
from glr.train import training
from glr.train.checkpoint import Checkpoints
from glr.train.interruption import Interruption
from glr.train.state import State
from tests.conftest import here, no_file_beyond
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks, forks
from tests.retrieval.test_descriptors import IDS, VALUES
from tests.sweep.conftest import Recorder
from tests.train.test_checkpoint import saved

# A command that prints much and then leaves a file.
PRINTS = """
import sys
from pathlib import Path
from tqdm import tqdm
from glr.config.command import command
@command("record", **dict([arguments] if (arguments := eval(sys.argv.pop(1))) else []))
def main(config):
    for number in tqdm(range(2000), mininterval=0, file=sys.stderr, disable=False):
        print(number, flush=True)
    Path("done").touch()
main()
"""


@pytest.fixture(scope="module")
def light() -> Iterator[Forks]:
    with forks(without=["tensorflow", "keras", "optuna"]) as opened:
        yield opened


def full() -> str:
    return "/dev/full"


def vanished() -> str:
    """A pipe whose reader goes away."""
    path = "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    threading.Timer(0.5, os.close, [reader]).start()
    return path


def closed() -> str:
    """A terminal that is closed."""
    master, slave = pty.openpty()
    threading.Timer(0.5, os.close, [master]).start()
    return os.ttyname(slave)


@pytest.mark.parametrize(
    ("output", "errors"),
    [(full, None), (None, full), (full, full), (vanished, None), (None, vanished), (closed, None)],
)
def test_printing_ends_no_command(light: Forks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output, errors):
    monkeypatch.chdir(tmp_path)
    log = [sink() if sink else str(tmp_path / "log.txt") for sink in (output, errors)]
    assert light.wait(light.start(PRINTS, "()", command="-c", cwd=tmp_path, log=log)) == 0
    assert (tmp_path / "done").exists()


def test_a_result_that_could_not_be_printed_is_a_failure(light: Forks, tmp_path: Path):
    """If the printed text is a command's only result, it ends with code 74: try again when there is room."""
    log = ["/dev/full", str(tmp_path / "errors")]
    arguments = "('printed', True)"
    assert light.wait(light.start(PRINTS, arguments, command="-c", cwd=tmp_path, log=log)) == 74
    assert (
        "error: writing failed: No space left on device; make room, then try again" in (tmp_path / "errors").read_text()
    )


def test_what_was_printed_without_room_is_printed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from glr.config import output

    with (tmp_path / "log").open("w") as log, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", log)
        patched.setattr(sys, "__stdout__", log)
        output.protect()
        with no_file_beyond(8):
            print("before, and in vain")
            assert is_no_room(output.failure())
        print("after")
        assert output.failure() is None
    assert (tmp_path / "log").read_text() == "before, and in vain\nafter\n"


TRAIN = ["backbone=small_cnn", "backbone.width=8", "model.embedding_size=16", "data=folder", "data.image_size=24"]
TRAIN += ["train.batch_size=12", "train.epochs=2", "evaluate.gallery=0", "study=disk"]


@pytest.mark.slow
def test_the_end_of_a_run_waits_for_room(
    class_folders: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """From the last step on, limit the size of every file for three seconds."""
    disk, report = no_file_beyond(4000), progress.report
    state, steps = {"full": 0}, []

    def reported(**values) -> None:
        steps.extend([values["epoch"]] if "seconds_left" in values else [])
        # The first step of an epoch is told, and the last: by then the checkpoint of epoch 1 is written.
        if steps.count(2) == 2 and not state["full"]:
            state["full"] = 1
            disk.__enter__()
            threading.Timer(3, state.update, [{"full": 2}]).start()
        report(**values)

    def freed(_: float) -> None:
        time.sleep(0.2)
        if state["full"] == 2:
            state["full"] = 3
            disk.__exit__(None, None, None)

    monkeypatch.setattr(progress, "report", reported)
    monkeypatch.setattr(training, "time", type("Clock", (), {"sleep": freed, "monotonic": time.monotonic}))
    printed = here("train", *TRAIN, f"data.source.path={class_folders}", cwd=work)
    assert "in study disk" in printed
    assert state["full"] == 3
    assert "File too large; waiting 60 minutes for room" in capsys.readouterr().err
    assert len(list(work.glob("mlruns/artifacts/*/artifacts/weights/*.h5"))) == 2


def exits(job: Job) -> list[str]:
    """A job whose name says how many of its first starts end on a full disk."""
    log = f"import sys, pathlib; file = pathlib.Path({str(job.folder / 'starts')!r}); file.open('a').write('x')"
    return [sys.executable, "-ISc", f"{log}; sys.exit(74 if len(file.read_text()) <= {job.shown} else 0)"]


def test_no_room_pauses_the_sweep_and_is_no_retry(tmp_path: Path):
    batch = [Job(n, [], shown, tmp_path / str(n)) for n, shown in enumerate(["2", "0"], start=1)]
    view = Recorder()
    Pool(batch, local(exits), JobLimits(retries=0, backoff=0.3), view).run()
    assert [(job.state, job.starts, job.reason) for job in batch] == [
        (JobState.FINISHED, 3, None),
        (JobState.FINISHED, 1, None),
    ]
    assert view.pauses == [0.3, 0.6]
    assert view.changes.index((2, JobState.RUNNING)) > view.changes.index((1, JobState.RETRYING))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A full tmpfs: not even a folder fits."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=64k,nr_inodes=2 tmpfs {disk} 2> /dev/null"):
        pytest.skip("no file system can be mounted here")
    (disk / "file").touch()
    yield disk
    os.system(f"umount -l {disk}")


def test_no_room_for_a_jobs_folder_pauses_the_sweep(small_disk: Path):
    job = Job(1, [], "0", small_disk / "1")
    view = Recorder()

    def room() -> None:
        if view.pauses and (small_disk / "file").exists():
            (small_disk / "file").unlink()
            os.system(f"mount -o remount,nr_inodes=9 {small_disk}")

    view._act = room
    Pool([job], local(exits), JobLimits(backoff=0.1), view).run()
    assert (job.state, view.pauses) == (JobState.FINISHED, [0.1])


@pytest.mark.parametrize("handled", [Interruption, Stopping])
def test_a_closed_terminal_is_as_sigterm(handled: Callable):
    before = signal.signal(signal.SIGHUP, lambda *_: sys.exit("at once, unsaved"))
    try:
        with handled() as noted:
            if isinstance(noted, Interruption):
                with noted.deferred():
                    os.kill(os.getpid(), signal.SIGHUP)
                assert noted.pending
            else:
                os.kill(os.getpid(), signal.SIGHUP)
                os.kill(os.getpid(), signal.SIGHUP)  # kernel and shell each send one
                assert (noted.signal, noted.times) == (signal.SIGHUP, 1)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_short_write_of_descriptors_is_an_error(tmp_path: Path):
    writer = DescriptorWriter(tmp_path, "index", len(IDS), "float32")
    with no_file_beyond(300), pytest.raises(OSError, match=r".") as error:
        writer.append(IDS, VALUES)
    assert is_no_room(error.value)
    again = DescriptorWriter(tmp_path, "index", len(IDS), "float32")
    assert again.done == 0
    again.append(IDS, VALUES)
    assert (again.close().values == VALUES).all()


def test_a_bucket_that_refuses_deletes_costs_space_and_is_said_once(gcs: Gcs, gcs_folder: str, capsys):
    gcs.fault(Fault("DELETE", "/o/", 403, times=1000))
    kept = Checkpoints(f"{gcs_folder}/run", keep=1, minutes=None, steps=None, epochs=None, steps_per_epoch=10)
    saved(kept, 1, 2, 3)
    output = capsys.readouterr().err
    assert output.count("checkpoints that are no longer needed cannot be deleted: ") == 1
    assert "could not be written" not in output
    kept.save(State(step=4), [])
    assert kept.wait()


def test_a_full_disk_has_its_own_exit_code(work: Path, class_folders: Path):
    (work / "mlruns/journal").mkdir()
    with no_file_beyond(200):
        assert here("train", *TRAIN, f"data.source.path={class_folders}", cwd=work) == "74"
