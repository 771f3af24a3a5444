"""The requests for a job's slices: one zone after another, and one slice even where two commands run the same job.

A command claims an attempt, requests its slice, and notes that Cloud TPU has answered. Until then other commands wait.
One that waits in vain claims the next attempt; a command whose claim is not the newest gives its slice back.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from typing import Any, Protocol

from glr import storage
from glr.errors import GlrError
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order
from glr.sweep.tpu.queued import QueuedResources, Rented
from glr.sweep.tpu.refusal import ShortageError
from glr.sweep.tpu.slices import FOLDER, JOB_LABEL, SWEEP_LABEL
from glr.sweep.tpu.terms import Terms, startup

_ROUND = 60.0  # s to wait after all zones were in vain, doubled for each further round
_LONGEST_ROUND = 900.0  # s
_OTHERS = 60.0  # s that another command's request may take


class EndedError(Exception):
    """The thread that needs a slice is to end; `code` is its job's exit code, None if the slice stays."""

    def __init__(self, code: int | None):
        super().__init__(code)
        self.code = code


class Holder(Protocol):
    """The slices of a sweep; see `glr.sweep.tpu.fleet.Fleet`."""

    def give_back(self, rented: Rented) -> None:
        """Delete a slice."""

    def other(self, key: str) -> Rented | None:
        """Return a slice that runs a job for another command."""


class Waiter(Protocol):
    """The thread that needs a slice; see `glr.sweep.tpu.vm.TpuVm`. Its waits raise EndedError when it is to end."""

    def show(self, stage: str) -> None:
        """Say what the job waits for."""

    def pause(self, seconds: float) -> None:
        """Wait."""

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer."""


class Requests:
    """Requests slices for one job.

    Args:
        queue: Cloud TPU.
        terms: what the sweep's slices share.
        key: the job's key.
        order: what to run.
        holder: the sweep's slices.
        waiter: the thread that needs them.
    """

    def __init__(self, queue: QueuedResources, terms: Terms, key: str, order: Order, holder: Holder, waiter: Waiter):
        self._queue, self._terms, self._key, self._order = queue, terms, key, order
        self._holder, self._waiter = holder, waiter
        self._job = attempt.job_folder(terms.bucket, key)
        self._zones = cycle(terms.zones)
        self._short, self._round = list[ShortageError](), _ROUND  # of this round through the zones; s to wait after it

    def obtain(self) -> Rented:
        """Return a slice whose request the next zone takes, or the slice on which another command runs the job.

        Raises:
            GlrError: Cloud TPU refuses the request, or no zone has any quota.
        """
        while True:
            self._rest_after_a_round()
            self._wait_for_others()
            zone = next(self._zones)
            self._waiter.show(f"asking {zone}")
            try:
                if (rented := self._request(zone)) is not None:
                    return rented
            except ShortageError as error:
                self.note(error)

    def note(self, shortage: ShortageError) -> None:
        """Note that a zone has no room, which it may say long after it took the request."""
        self._short.append(shortage)

    def _rest_after_a_round(self) -> None:
        if len(self._short) < len(self._terms.zones):
            return
        if all(error.for_good for error in self._short):
            raise self._short[0]
        self._waiter.show("no zone has room")
        self._waiter.pause(self._round)
        self._short, self._round = [], min(2 * self._round, _LONGEST_ROUND)

    def _wait_for_others(self) -> None:
        """Wait while another command's request is without an answer; a command that was killed never notes one."""
        end = time.monotonic() + _OTHERS
        while self._waiter.patiently(lambda: attempt.is_unanswered(self._job)) and time.monotonic() < end:
            self._waiter.show("another command asks")
            self._waiter.pause(self._terms.period)

    def _request(self, zone: str) -> Rented | None:
        """Request a slice, unless another command runs the job; return None if another command was quicker."""
        ask = self._waiter.patiently
        number = ask(self._newest) + 1
        folder, name = storage.join(self._job, str(number)), f"glr-{self._key}-{number}"
        if not ask(lambda: attempt.write_order(folder, self._order)):
            return None
        try:
            # Whoever claimed an earlier attempt has a slice by now, or sees this claim before it keeps one.
            other = ask(lambda: self._holder.other(self._key))
            return other or self._create(zone, name, number, folder)
        finally:
            with suppress(GlrError):  # others wait in vain
                attempt.note_answer(folder)

    def _create(self, zone: str, name: str, number: int, folder: str) -> Rented | None:
        labels = {SWEEP_LABEL: self._terms.sweep, JOB_LABEL: self._key}
        scripts = startup(self._terms, self._queue.project, zone, name, folder) | {FOLDER: folder}
        rented = Rented(zone, name, "CREATING", labels, folder, self._terms.wanted.accelerator, 0.0)

        def create() -> bool:
            if self._newest() != number:
                return False
            self._queue.create(self._terms.wanted, zone, name, labels, scripts)
            return self._newest() == number

        try:
            if self._waiter.patiently(create):
                return rented
        except EndedError as ended:
            if ended.code is not None:  # the service may have the request although its answer was lost
                self._holder.give_back(rented)
            raise
        self._holder.give_back(rented)
        return None

    def _newest(self) -> int:
        return max(attempt.attempts(self._job), default=0)
