"""`python -m glr.sweep.tpu.agent FOLDER`: run one job on a rented machine, and report on it to the bucket.

The machine's startup script (startup.sh.jinja) calls it in the machine's own folder. It ends with 0 when the job has
ended and the bucket has all of it, so that the machine is not needed any more, and with PREEMPTED when the machine
itself is told to go down: after a reboot the job goes on.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from glr import storage
from glr.config.printing import say
from glr.data.prepared import MANIFEST
from glr.errors import PREEMPTED, GlrError
from glr.sweep.job import AT_WORK
from glr.sweep.process import Fate, Process, fate
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order, Status

JOURNAL = Path("mlruns/journal")  # where the job keeps its records until MLflow has them
_BEGAN, _STARTED = Path("began"), Path("started")  # the first boot, written by the script; the job's first start
_INSISTING = 600.0  # s that the end of a job waits for a bucket that cannot be reached
_PID = Path("agent.pid")  # for the shutdown script
_LOG, _PROGRESS = Path(attempt.LOG), Path("progress.json")


class Agent:
    """Runs a job, and reports.

    Args:
        folder: the attempt's folder in the bucket.
        order: what to run.
    """

    def __init__(self, folder: str, order: Order):
        self._folder, self._order = folder, order
        self._journal = storage.join(folder.rpartition("/")[0], attempt.JOURNAL)
        self._process: Process | None = None
        self._logged = 0  # bytes of the log that the bucket has
        self._beat = 0
        self._going_down = False  # the machine was told to go down
        self._stopped: float | None = None  # when the job was asked to save and to end

    def run(self) -> int:
        """Run the job to its end; return the exit code for the startup script.

        Raises:
            GlrError: a secret cannot be read, the disk has other data than the bucket, or the bucket does not take the
                result.
        """
        with self._told():
            self._insist(self._check_copies)
            self._insist(self._restore)
            line = [sys.executable, "-m", "glr.train", *self._order.arguments]
            line += [] if _STARTED.exists() else self._order.first
            environment = self._order.environment | self._secrets()
            _STARTED.touch()
            self._process = Process(line, _LOG, _PROGRESS, environment)
            if self._going_down:  # told while the process was being made
                self._process.terminate()
            while (code := self._process.poll()) is None:
                self._watch(self._process)
                with suppress(GlrError):  # the next report may succeed
                    self._report(AT_WORK)
                self._rest(self._process)
            self._insist(self._keep)
            interrupted = self._going_down and fate(code) == Fate.KILLED
            stage = "interrupted" if interrupted else "ended"
            self._insist(lambda: self._report(stage, code if code >= 0 else 128 - code))
        return PREEMPTED if interrupted else 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        """In this context, pass a SIGTERM on to the job: the machine goes down."""
        signal.signal(signal.SIGTERM, self._pass_on)
        _PID.write_text(str(os.getpid()))
        try:
            yield
        finally:
            _PID.unlink()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the exit code must say how the job ended

    def _pass_on(self, _: int, __: FrameType | None) -> None:
        self._going_down = True
        if self._process is not None:
            self._process.terminate()

    def _watch(self, process: Process) -> None:
        """Ask the job to save and to end if the bucket says so, or at a time limit; kill it if it does not."""
        minutes, seconds = self._order.minutes, _uptime()
        over = seconds > self._order.hours * 3600 or (minutes is not None and seconds > minutes * 60)
        if self._stopped is not None:
            if time.monotonic() > self._stopped + attempt.SAVING:
                process.kill()
            return
        with suppress(GlrError):
            over = over or attempt.is_asked_to_stop(self._folder)
        if over:
            self._stopped = time.monotonic()
            process.terminate()

    def _rest(self, process: Process) -> None:
        end = time.monotonic() + self._order.period
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.1)

    def _report(self, stage: str, code: int | None = None) -> None:
        """Write log and status; the log first, so that it is whole when the end is known."""
        self._logged = attempt.write_log(self._folder, _LOG, self._logged)
        self._beat += 1
        progress = self._process.progress() if self._process else {}
        attempt.write_status(self._folder, Status(stage, _uptime(), code, progress, self._beat))

    def _check_copies(self) -> None:
        """Refuse a disk whose data sets differ from the bucket's, by which the sweep tells what is done."""
        for copy, original in self._order.copies.items():
            own, theirs = (storage.join(folder, MANIFEST) for folder in (copy, original))
            if not storage.exists(own) or storage.read(own) != storage.read(theirs):
                raise GlrError(
                    f"hydra.launcher.disk: {copy} is no copy of {original}; copy the data set to the disk again"
                )

    def _restore(self) -> None:
        """Fetch the records that an earlier machine could not send to MLflow."""
        names = [name for name in storage.files(self._journal) if not (JOURNAL / name).exists()]
        storage.download([(storage.join(self._journal, name), JOURNAL / name) for name in names])

    def _keep(self) -> None:
        """Keep the records that MLflow does not have yet in the bucket, and only those."""
        waiting = [name for name in storage.files(JOURNAL) if not name.endswith(".lock")] if JOURNAL.exists() else []
        storage.upload([(JOURNAL / name, storage.join(self._journal, name)) for name in waiting], overwrite=True)
        for name in storage.files(self._journal).keys() - set(waiting):
            storage.delete(storage.join(self._journal, name))

    def _insist(self, act: Callable[[], None]) -> None:
        """Act again while the bucket cannot be reached: what it does not get is lost with the machine."""
        end = time.monotonic() + _INSISTING
        while True:
            try:
                return act()
            except storage.UnreachableError:
                if time.monotonic() > end:
                    raise
                time.sleep(self._order.period)

    def _secrets(self) -> dict[str, str]:
        """The values of the secrets, which only this process and the job's know."""
        values: dict[str, str] = {}
        for variable, name in self._order.secrets.items():
            line = ["gcloud", "secrets", "versions", "access", "latest"]
            line += [f"--secret={name}", f"--project={self._order.project}"]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                raise GlrError(
                    f"hydra.launcher.secrets.{variable}={name}: the VM may not read this secret of project "
                    f"{self._order.project}; create it, and give the VM's service account the role "
                    "roles/secretmanager.secretAccessor"
                )
            values[variable] = done.stdout.rstrip("\n")
        return values


def _uptime() -> float:
    """Seconds since the machine's first boot."""
    return max(0.0, time.time() - float(_BEGAN.read_text()))


def main(folder: str) -> int:
    """Run the job of an attempt; an error becomes the job's, since nobody reads this machine's console."""
    try:
        return Agent(folder, attempt.read_order(folder)).run()
    except GlrError as error:
        say(f"error: {error}", file=sys.stderr)
        with _LOG.open("a") as log:
            log.write(f"error: {error}\n")
        attempt.write_log(folder, _LOG, 0)
        attempt.write_status(folder, Status("ended", _uptime(), 1, {"failure": str(error)}, -1))
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
