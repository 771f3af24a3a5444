"""`python -m glr.fleet`: list the TPU slices of sweeps, stop them, or delete those that nobody uses any more."""

import time
from dataclasses import dataclass

from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.config.printing import counted, say
from glr.errors import GlrError
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Status
from glr.sweep.tpu.patience import Resting, delete, patiently
from glr.sweep.tpu.queued import QueuedResources, Rented
from glr.sweep.words import duration

_PERIOD = 2.0  # seconds between two looks at slices that save or are deleted
_DEAD = ("FAILED", "SUSPENDED", "PREEMPTED", "TERMINATED", "STOPPED")


@dataclass(frozen=True)
class Seen:
    """A slice with the report of its machine; `shown`: its job's study and settings, `spent`: USD or None."""

    rented: Rented
    status: Status
    shown: str
    spent: float | None

    @property
    def is_orphan(self) -> bool:
        """True if no job runs on it or waits for it: it only costs money or quota."""
        return self.rented.node_only or self.rented.state in _DEAD or self.status.stage == "ended"

    @property
    def words(self) -> str:
        """Where it stands."""
        if self.rented.node_only:
            return f"{self.rented.state}, without a request"
        progress, stage = self.status.progress, self.status.stage if self.rented.state == "ACTIVE" else ""
        epoch = f" {progress['epoch']}/{progress.get('epochs', '?')}" if "epoch" in progress else ""
        return f"{self.rented.state}{f', {stage}{epoch}' if stage else ''}"


@command("fleet", printed=True)
def main(config: DictConfig) -> None:
    """List, stop or clean the slices of a project's zones."""
    queue = QueuedResources(config.project)
    rest = Resting(_PERIOD)
    rented = [each for zone in config.zones for each in patiently(lambda zone=zone: queue.rented(zone), rest)]
    seen = [patiently(lambda each=each: _seen(each), rest) for each in rented]
    seen = [each for each in seen if config.sweep_key in (None, each.rented.sweep)]
    if config.action.value == "list":
        print(_table(seen))
        return
    chosen = seen if config.action.value == "stop" else [each for each in seen if each.is_orphan]
    if config.action.value == "stop":
        _save(chosen, config.minutes)
    if (left := delete(queue, [each.rented for each in chosen], _PERIOD)) is not None:
        raise GlrError(f"{left}; give the same command again")
    say(f"{counted(len(chosen), 'slice')} deleted, {len(seen) - len(chosen)} left")


def _seen(rented: Rented) -> Seen:
    """Read what a slice's machine reports; one whose bucket cannot be read has only its state."""
    if not storage.is_bucket(rented.folder):
        return Seen(rented, Status(), "", None)
    status = Status()
    try:
        status = attempt.read_status(rented.folder)
        order = attempt.read_order(rented.folder)
    except storage.UnreachableError:  # `stop` must not take it for a job that cannot save
        raise
    except GlrError:
        return Seen(rented, status, "", None)
    return Seen(rented, status, order.shown, None if order.price is None else order.price * status.seconds / 3600)


def _table(seen: list[Seen]) -> str:
    rows = [("slice", "zone", "kind", "state", "age", "USD", "sweep", "job")]
    for each in seen:
        state = f"{each.words}, orphan" if each.is_orphan else each.words
        usd = "" if each.spent is None else f"{each.spent:.2f}"
        rented = each.rented
        rows.append(
            (rented.name, rented.zone, rented.accelerator, state, duration(rented.age), usd, rented.sweep, each.shown)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    orphans = sum(each.is_orphan for each in seen)
    if orphans:
        lines.append(f"\n{counted(orphans, 'orphan')}; python -m glr.fleet action=clean deletes them")
    return "\n".join(lines) if seen else "no slice of glr in these zones"


def _save(seen: list[Seen], minutes: float) -> None:
    """Ask the jobs to save and to end, and wait for those that run, `minutes` at most."""
    waiting, rest = list[Seen](), Resting(_PERIOD)
    for each in seen:
        if not each.is_orphan and each.shown:
            patiently(lambda folder=each.rented.folder: attempt.ask_to_stop(folder), rest)
            waiting += [each] if each.status.beat else []
    if waiting:
        say(f"{counted(len(waiting), 'job')} asked to save")
    end = time.monotonic() + minutes * 60
    while waiting and time.monotonic() < end:
        time.sleep(_PERIOD)
        stages = [patiently(lambda each=each: attempt.read_status(each.rented.folder).stage, rest) for each in waiting]
        waiting = [each for each, stage in zip(waiting, stages, strict=True) if stage != "ended"]
    for each in waiting:
        say(f"{each.rented.name} did not save within {minutes:g} minutes")


if __name__ == "__main__":
    main()
