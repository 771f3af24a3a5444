"""A job on a rented TPU slice: to the pool it is a process; its life is followed by a thread of its own.

The thread requests a slice, waits for it in the queue, fetches the job's log and progress from the bucket, and gives
the slice back at the end. A zone without capacity or quota is followed by the next; a slice that Google takes away ends
the process with TAKEN_AWAY, so that the pool starts another. A lost network ends nothing: the machine works on.
"""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glr.config.secrets import redacted
from glr.errors import NO_ROOM, PREEMPTED, GlrError, in_words
from glr.storage import CredentialsError
from glr.sweep.process import TAKEN_AWAY
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order, Status
from glr.sweep.tpu.patience import patiently
from glr.sweep.tpu.queued import TAKEN, WAITING, QueuedResources, Rented
from glr.sweep.tpu.refusal import ShortageError
from glr.sweep.tpu.requests import EndedError, Holder, Requests
from glr.sweep.tpu.terms import Terms

_SILENT_BOOTS = 3  # slices that never report before the job fails
_SILENCE = 60.0  # s without a report before Cloud TPU is asked whether the VM exists


class TpuVm:
    """A job on a slice; see `glr.sweep.pool.Started`.

    Args:
        queue: Cloud TPU.
        terms: what the sweep's slices share.
        key: the job's key, lower-case letters and digits.
        order: what to run.
        log: the local file that the job's output is appended to.
        found: a slice that already runs the job; None: request one.
        holder: the sweep's slices.
    """

    def __init__(
        self,
        queue: QueuedResources,
        terms: Terms,
        key: str,
        order: Order,
        log: Path,
        found: Rented | None,
        holder: Holder,
    ):
        self._queue, self._terms, self._key, self._order = queue, terms, key, order
        self._log, self._release = log, holder.give_back
        self._requests = Requests(queue, terms, key, order, holder, self)
        self._folder = attempt.job_folder(terms.bucket, key)  # of all its attempts
        self._asked, self._killed, self._left = threading.Event(), threading.Event(), threading.Event()
        self._wake = threading.Event()  # set with each of the three
        self._stage, self._status, self._heard = "", Status(), time.monotonic()
        self._spent: float | None = None  # USD of earlier attempts
        self._failure: str | None = None
        self._code: int | None = None
        self._patience = terms.boot_minutes * 60  # s between two reports
        self._silent, self._found = 0, found  # slices that never reported; the one that was taken up
        log.parent.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """Seconds that the current slice has worked for the job."""
        return self._status.seconds

    def poll(self) -> int | None:
        """Return the exit code, or None while the job waits or runs."""
        return self._code

    def progress(self) -> dict[str, Any]:
        """The job's latest report, with its stage and what it has cost."""
        report = dict(self._status.progress)
        if isinstance(left := report.get("seconds_left"), int | float):
            report["seconds_left"] = max(0.0, left - (time.monotonic() - self._heard))
        report["stage"] = self._stage or None
        if self._order.price is not None and self._spent is not None:
            report["spent"] = self._spent + self._status.seconds / 3600 * self._order.price
        return report | ({} if self._failure is None else {"failure": self._failure})

    def terminate(self) -> None:
        """Ask the job to save and to end; a slice that does not run it yet is given back."""
        self._tell(self._asked)

    def kill(self) -> None:
        """Give the slice back at once."""
        self._tell(self._killed)

    def leave(self) -> None:
        """Follow the slice no longer; it works on."""
        self._tell(self._left)

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended; a request to a service that does not answer may hold it up."""
        self._thread.join(seconds)

    def _tell(self, what: threading.Event) -> None:
        what.set()
        self._wake.set()

    def show(self, stage: str) -> None:
        """Say what the job waits for."""
        self._stage = stage

    def _run(self) -> None:
        try:
            self._code = self._live()
        except Exception as error:  # whatever it is, the pool must not wait for this thread for ever
            self._failure = redacted(in_words(error))
            self._code = 1

    def _live(self) -> int | None:
        rented = self._found
        here = None if rented is None else rented.folder
        self._spent = self.patiently(lambda: attempt.spent(self._folder, but=here))
        try:
            while True:
                if rented is None:
                    rented = self._requests.obtain()
                    self._status, self._heard = Status(), time.monotonic()
                code = self._attend(rented)
                self._release(rented)
                rented = None
                if code is not None:
                    return code
        except EndedError as ended:
            if rented is not None and ended.code is not None:
                self._release(rented)
            return ended.code
        except Exception:
            if rented is not None:
                self._release(rented)
            raise

    def _attend(self, rented: Rented) -> int | None:
        """Follow a slice to its end; return the exit code, or None if another zone is to be tried."""
        told: float | None = None  # when the job was asked to save and to end
        logged = 0  # bytes of its log
        while True:
            known = self._hear(rented.folder)
            logged = attempt.append_log(rented.folder, self._log, logged)
            if known and self._status.stage == "ended":
                return self._ended(rented, told is not None)
            asked = time.monotonic()
            now = self.patiently(lambda: self._queue.look(rented.zone, rented.name))
            self._heard += time.monotonic() - asked  # nobody listened to the machine in the meantime
            if now is None or now.state in TAKEN:
                self._stage = "being taken away"
                if now is None or now.state == "SUSPENDED":
                    self._status = self.patiently(lambda: attempt.read_status(rented.folder))
                    attempt.append_log(rented.folder, self._log, logged)
                    return self._ended(rented, told is not None, gone=now is None)
            elif now.trouble is not None:
                if not isinstance(now.trouble, ShortageError):
                    raise now.trouble
                self._requests.note(now.trouble)
                return None
            elif now.state in WAITING:
                self._stage = f"queued in {rented.zone}"
                self._heard = time.monotonic()
            else:
                self._stage = self._status.stage or ("booting" if now.state == "ACTIVE" else "being made")
                if self._status.beat == 0 and time.monotonic() - self._heard > self._patience:
                    self._count_silent(rented)
                    return None
                if (code := self._lost(rented, now.state)) is not None:
                    return code
            told = self._obey(rented.folder, told)
            self.pause(self._terms.period, interruptible=told is None)

    def _lost(self, rented: Rented, state: str) -> int | None:
        """The exit code of a job whose machine reports no longer; None: it is well, as far as can be seen."""
        silent = time.monotonic() - self._heard
        if self._status.beat == 0 or state != "ACTIVE" or silent < _SILENCE:
            return None
        if not self.patiently(lambda: self._queue.has_node(rented.zone, rented.name)):
            return TAKEN_AWAY
        return -signal.SIGKILL if silent > self._patience else None  # it hangs, as machines do whose memory is full

    def _count_silent(self, rented: Rented) -> None:
        self._silent += 1
        if self._silent == _SILENT_BOOTS:
            raise GlrError(
                f"{self._silent} slices never reported to {rented.folder}; may their service account write there "
                "(roles/storage.objectUser), and does their network reach the internet?"
            )

    def _obey(self, folder: str, told: float | None) -> float | None:
        """Pass a request to end on to the slice; return when that was done."""
        if self._asked.is_set() and told is None:
            if self._status.beat == 0:
                raise EndedError(-signal.SIGTERM)
            self.patiently(lambda: attempt.ask_to_stop(folder))
            told = time.monotonic()
        if told is not None:
            self._stage = "saving"
            if time.monotonic() > told + attempt.SAVING:
                raise EndedError(-signal.SIGKILL)
        return told

    def _ended(self, rented: Rented, asked: bool, gone: bool = False) -> int | None:
        """The exit code of a job that has ended on its machine, or whose machine is gone; None: it never worked."""
        itself = self._status.stage == "ended"  # else its machine was taken away
        code = self._status.code if itself else PREEMPTED
        if code == NO_ROOM:  # to the pool this laptop's disk, which may get room; a new slice's disk fills up again
            self._failure = (
                "the VM's disk is full; leave out data.cache_dir, or give the data on a disk (hydra.launcher.disk)"
            )
            return 1
        if code is None or code != PREEMPTED or asked:
            return 1 if code is None else code
        minutes = self._order.minutes
        if minutes is not None and self._status.seconds >= minutes * 60:
            return PREEMPTED
        if self.patiently(lambda: attempt.is_asked_to_stop(rented.folder)):
            # A slice that an earlier command left may have been stopped before this command; others stay stopped.
            if rented is self._found:
                return TAKEN_AWAY
            self._failure = "stopped by python -m glr.fleet action=stop"
            return 128 + signal.SIGINT
        if itself and self._status.seconds < self._order.hours * 3600:
            return PREEMPTED  # somebody sent it SIGTERM, such as a guard of the machine's memory
        if gone and self._status.beat == 0:  # Google keeps the request of a slice that it takes away: this one gave up
            self._count_silent(rented)
            return None
        return TAKEN_AWAY

    def _hear(self, folder: str) -> bool:
        """Read the machine's report; return False if the bucket does not answer."""
        try:
            status = attempt.read_status(folder)
        except GlrError:
            self._heard = time.monotonic()  # the machine may have reported
            return False
        if status.beat != self._status.beat:
            self._status, self._heard = status, time.monotonic()
        return True

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer: the machine works on without a network here."""

        def rest(error: GlrError) -> None:
            if isinstance(error, CredentialsError):  # a new login is read by a new command
                self._stage = "login expired: log in, leave (Ctrl-C), start again"
            self.pause(self._terms.period)

        return patiently(ask, rest)

    def pause(self, seconds: float, interruptible: bool = True) -> None:
        """Wait.

        Raises:
            EndedError: the pool has no more use for the slice.
        """
        if interruptible:
            self._wake.wait(seconds)
            self._wake.clear()
        else:
            self._killed.wait(seconds)
        if self._left.is_set():
            raise EndedError(None)
        if self._killed.is_set():
            raise EndedError(-signal.SIGKILL)
        if self._asked.is_set() and self._status.beat == 0:
            raise EndedError(-signal.SIGTERM)
