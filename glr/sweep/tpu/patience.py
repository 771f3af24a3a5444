"""Waiting for Google: a service that does not answer for a while ends no command, as the slices work on meanwhile."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from glr.config.printing import counted, say
from glr.errors import GlrError
from glr.storage import CredentialsError, UnreachableError
from glr.sweep.tpu.queued import QueuedResources, Rented
from glr.sweep.tpu.refusal import BusyError

_SOON = 5.0  # s after which a line says that slices are being deleted
_DELETING = 600.0  # s that Cloud TPU may take to delete slices

_T = TypeVar("_T")


def patiently(ask: Callable[[], _T], rest: Callable[[GlrError], object]) -> _T:
    """Ask until there is an answer; `rest` waits after each failure, or raises an error."""
    while True:
        try:
            return ask()
        except (BusyError, UnreachableError) as error:
            rest(error)


class Resting:
    """The `rest` of a command at the terminal: says once why it waits; a missing login is an error.

    Args:
        seconds: between two tries.
    """

    def __init__(self, seconds: float):
        self._seconds, self._told = seconds, False

    def __call__(self, error: GlrError) -> None:
        """Wait.

        Raises:
            CredentialsError: there are no valid credentials.
        """
        if isinstance(error, CredentialsError):
            raise error
        if not self._told:
            say(f"waiting: {error}")
        self._told = True
        time.sleep(self._seconds)


def delete(queue: QueuedResources, slices: Iterable[Rented], period: float) -> str | None:
    """Delete slices and wait until they are gone, ten minutes at most, with `period` seconds between two looks.

    Returns:
        Words that name the slices which still exist; None: all are gone.
    """
    left, refused, trouble, told, began = list(slices), list[Rented](), "", False, time.monotonic()
    while left and time.monotonic() < began + _DELETING:
        for rented in list(left):
            try:
                state = queue.state(rented)
                if state is None:
                    left.remove(rented)
                elif state != "DELETING":
                    queue.delete(rented)
            except GlrError as error:
                trouble = f" ({error})"
                if isinstance(error, CredentialsError) or not isinstance(error, BusyError):  # it would be refused again
                    left.remove(rented)
                    refused.append(rented)
        if left and not told and time.monotonic() > began + _SOON:
            told = True
            say(f"waiting for Cloud TPU to delete {counted(len(left), 'slice')}")
        if left:
            time.sleep(period)
    names = ", ".join(f"{each.name} in {each.zone}" for each in [*left, *refused])
    return f"these slices still exist{trouble}: {names}" if names else None
