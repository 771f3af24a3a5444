"""One attempt at a job on a rented machine, as the machine and the watching command see it: a folder in the bucket.

The folder of a job's n-th attempt is JOB/n. Whoever requests a machine for it creates `request.json` there, which only
one can, and then `answered`. The machine writes `status.json` and its log every few seconds; `stop` asks it to save and
to end. The log is split into parts: log.txt, log-1.txt and so on. When it grows, only its last part is written again.
Clocks are never compared: each time that is written is a difference on one machine's clock.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from glr import storage
from glr.errors import GlrError

SAVING = 300.0  # s for a job that is asked to save and to end
LOG, STATUS, STOP, JOURNAL = "log.txt", "status.json", "stop", "journal"
PART = 2**20  # bytes of a part of the log
REQUEST, ANSWERED = "request.json", "answered"


@dataclass(frozen=True)
class Order:
    """What the machine is to run.

    Attributes:
        arguments: those of the command `python -m glr.train`.
        first: the arguments that only the job's first start has, such as resume=never.
        environment: variables of the command.
        secrets: variables of the command whose values are secrets of Secret Manager: variable -> name.
        project: the project whose secrets they are.
        minutes: the job's time limit, earlier attempts subtracted; None: none.
        hours: the machine's own limit; at its end the job saves.
        period: seconds between two reports.
        shown: the job's study and settings, for people.
        price: USD per hour of the machine; None: unknown.
        copies: data sets that the machine's disk must hold: folder there -> the set in the bucket.
    """

    arguments: list[str]
    first: list[str]
    environment: dict[str, str]
    secrets: dict[str, str]
    project: str
    minutes: float | None
    hours: float
    period: float
    price: float | None
    shown: str
    copies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """A machine's report.

    Attributes:
        stage: installing, running, ended, or interrupted: the machine goes down, and may boot again.
        seconds: since the machine's first boot.
        code: the exit code of the job; None: it runs.
        progress: the job's own report; see `glr.sweep.progress`.
        beat: a number that changes with each report.
    """

    stage: str = ""
    seconds: float = 0.0
    code: int | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    beat: int = 0


def write_order(folder: str, order: Order) -> bool:
    """Claim an attempt for this process; return False if another process has.

    Raises:
        GlrError: the bucket may not be written.
    """
    path = storage.join(folder, REQUEST)
    try:
        storage.write(path, json.dumps(asdict(order)).encode())
    except storage.ReplacedError:
        return False
    return True


def read_order(folder: str) -> Order:
    """Read what a machine is to run.

    Raises:
        GlrError: it is not there, or of another version of glr.
    """
    path = storage.join(folder, REQUEST)
    try:
        return Order(**json.loads(storage.read(path)))
    except (ValueError, TypeError) as error:
        raise GlrError(f"{path} is damaged, or of another version of glr ({error})") from error


def write_status(folder: str, status: Status) -> None:
    """Replace a machine's report.

    Raises:
        GlrError: the bucket does not take it.
    """
    storage.write(storage.join(folder, STATUS), json.dumps(asdict(status)).encode(), overwrite=True)


def read_status(folder: str) -> Status:
    """Read a machine's latest report; an empty one before the first.

    Raises:
        GlrError: the bucket cannot be read.
    """
    path = storage.join(folder, STATUS)
    if not storage.exists(path):
        return Status()
    with suppress(ValueError, TypeError):  # the startup script of another version wrote it
        return Status(**json.loads(storage.read(path)))
    return Status()


def write_log(folder: str, log: Path, logged: int) -> int:
    """Store what a machine's log has gained since `logged` bytes were stored; return its size.

    Raises:
        GlrError: the bucket does not take it.
    """
    size = log.stat().st_size
    if size > logged:
        with log.open("rb") as file:
            for start in range(logged - logged % PART, size, PART):
                file.seek(start)
                new = file.read(min(PART, size - start))
                storage.write(_part(folder, start // PART), new, overwrite=True)
    return size


def append_log(folder: str, log: Path, logged: int) -> int:
    """Append what is new in a machine's log after `logged` bytes to a local file; return the bytes so far."""
    # There is none yet, it is replaced, the bucket does not answer, or the disk is full: nothing that ends a job.
    with suppress(GlrError, OSError), log.open("ab") as file:
        whole = True
        while whole:
            number, start = divmod(logged, PART)
            path = _part(folder, number)
            new = storage.read(path, start=start) if storage.exists(path) else b""
            file.write(new)
            logged += len(new)
            whole = start + len(new) == PART  # then there may be another part
    return logged


def _part(folder: str, number: int) -> str:
    stem, dot, suffix = LOG.partition(".")
    return storage.join(folder, f"{stem}-{number}{dot}{suffix}" if number else LOG)


def ask_to_stop(folder: str) -> None:
    """Ask a machine to save its job and to end.

    Raises:
        GlrError: the bucket may not be written.
    """
    storage.write(storage.join(folder, STOP), b"", overwrite=True)


def is_asked_to_stop(folder: str) -> bool:
    """Return True if a machine is asked to end its job."""
    return storage.exists(storage.join(folder, STOP))


def note_answer(folder: str) -> None:
    """Note that Cloud TPU has answered the request for an attempt's machine, or will not be asked.

    Raises:
        GlrError: the bucket may not be written.
    """
    storage.write(storage.join(folder, ANSWERED), b"", overwrite=True)


def is_unanswered(job: str) -> bool:
    """Return True if a job's newest attempt is claimed, and Cloud TPU has not answered its request.

    Raises:
        GlrError: the bucket cannot be read.
    """
    numbers = attempts(job)
    return bool(numbers) and not storage.exists(storage.join(job, str(numbers[-1]), ANSWERED))


def attempts(job: str) -> list[int]:
    """The numbers of a job's attempts so far, in order.

    Raises:
        GlrError: the bucket cannot be read.
    """
    numbers = {name.partition("/")[0] for name in storage.files(job) if name.endswith(f"/{REQUEST}")}
    return sorted(int(number) for number in numbers if number.isdigit())


def job_folder(bucket: str, key: str) -> str:
    """The folder of a job's attempts in the fleet's folder of the bucket."""
    return storage.join(bucket, "jobs", key)


def spent(job: str, *, but: str | None = None) -> float:
    """USD that a job's attempts have cost, as far as their prices are known; `but`: the folder of one that is left out.

    Raises:
        GlrError: the bucket cannot be read.
    """
    folders = [storage.join(job, str(number)) for number in attempts(job)]
    seconds = {folder: read_status(folder).seconds for folder in folders if folder != but}
    return sum(each / 3600 * (price(folder) or 0.0) for folder, each in seconds.items() if each)


def price(folder: str) -> float | None:
    """USD per hour of an attempt's machine, also if another version of glr ordered it; None: unknown.

    Raises:
        GlrError: the bucket cannot be read.
    """
    with suppress(ValueError, AttributeError):
        return json.loads(storage.read(storage.join(folder, REQUEST))).get("price")
    return None
