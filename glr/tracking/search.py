"""Search for runs in MLflow; two processes read many runs, from both ends of their order.

MLflow makes an object of each row of its tables, which takes a core 3 ms a run.
"""

import gc
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from sqlalchemy import event
from sqlalchemy.orm import Session

from glr.devices.processes import SPAWN

PAGE = 250  # runs; larger pages take 10% longer, because the process has to ask for their memory
ALONE = 500  # runs, which are read before a second process has started

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """Runs by their ids, and when the last of them started, ms."""

    runs: dict[str, T]
    last: int


def searched(client: MlflowClient, experiments: Sequence[str], query: str, convert: Callable[[Run], T]) -> list[T]:
    """All runs of some experiments, in no order.

    Args:
        client: the store's client.
        experiments: ids.
        query: a filter in MLflow's search syntax.
        convert: makes a result of a run; a second process calls it, too.
    """
    runs: dict[str, T] = {}
    oldest: list[Page[T]] | None = None
    with _reading_many(), ExitStack() as stack:
        for page in pages(client, experiments, query, convert, "DESC"):
            runs |= page.runs
            # Runs of the same millisecond are in the same order at both ends: the two have to pass each other.
            if oldest and page.last < oldest[-1].last:
                break
            if oldest is None and len(runs) >= ALONE:
                oldest = stack.enter_context(_second_process(client.tracking_uri, experiments, query, convert))
    for page in oldest or ():
        runs |= page.runs
    return list(runs.values())


def pages(
    client: MlflowClient, experiments: Sequence[str], query: str, convert: Callable[[Run], T], order: str
) -> Iterator[Page[T]]:
    """Yield all runs in order of their start, ASC or DESC."""
    token: str | None = "" if experiments else None
    by = [f"attributes.start_time {order}"]
    while token is not None:
        runs = client.search_runs(list(experiments), query, ViewType.ACTIVE_ONLY, PAGE, by, token or None)
        if runs:
            yield Page({run.info.run_id: convert(run) for run in runs}, runs[-1].info.start_time)
        token = runs.token


@contextmanager
def _second_process(
    uri: str, experiments: Sequence[str], query: str, convert: Callable[[Run], T]
) -> Iterator[list[Page[T]]]:
    """Read runs in another process, the oldest first; the list grows until the context ends.

    If the process fails, the list grows no more, and the caller reads all runs.
    """
    receiver, sender = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_send, args=(sender, uri, experiments, query, convert), daemon=True)
    process.start()
    sender.close()
    received: list[Page[T]] = []

    def receive() -> None:
        with suppress(EOFError, OSError):  # the process has ended
            while True:
                received.append(receiver.recv())

    thread = Thread(target=receive, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        process.kill()
        thread.join()
        process.join()
        receiver.close()


def _send(
    sender: Connection, uri: str, experiments: Sequence[str], query: str, convert: Callable[[Run], object]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the caller kills this one
    with _reading_many(), suppress(Exception):  # the caller meets the same errors
        for page in pages(MlflowClient(uri), experiments, query, convert, "ASC"):
            sender.send(page)


@contextmanager
def _reading_many() -> Iterator[None]:
    """Read many runs in a third of the time: SQLAlchemy makes many objects, and two passes over them take the rest.

    In this context no garbage is collected, and MLflow's sessions keep the objects that they have read.
    """

    def keep(session: Session, *_: object) -> None:
        session.expire_on_commit = False

    enabled = gc.isenabled()
    gc.disable()
    event.listen(Session, "after_begin", keep)
    try:
        yield
    finally:
        event.remove(Session, "after_begin", keep)
        if enabled:
            gc.enable()
