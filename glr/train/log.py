"""The log of a run: all that its processes printed, stored with the run and kept beside its checkpoints."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from glr import storage
from glr.config.log import LOG, Log
from glr.config.printing import printable, say
from glr.config.secrets import redacted
from glr.errors import GlrError
from glr.tracking.recorder import Recorder
from glr.train.claim import Claim


class RunLog:
    """The logs of earlier processes of a run, and the log of this process.

    Args:
        log: the log of this process.
        claim: the claim on the run's job; the log of an unfinished run lies in its folder.

    Raises:
        GlrError: the earlier log cannot be read.
    """

    def __init__(self, log: Log, claim: Claim):
        self._log = log
        self._claim = claim
        self._file = storage.join(claim.folder, LOG)
        before = storage.read(self._file).decode(errors="replace") if storage.exists(self._file) else ""
        self._before = printable(redacted(before))  # whoever shares the checkpoints may have written it

    def text(self) -> str:
        """All that the run's processes have printed so far."""
        return self._before + self._log.text()

    @contextmanager
    def stored(self, run: Recorder) -> Iterator[None]:
        """Store the log with the run when this context ends; after an error, also keep it for the next process."""
        try:
            yield
        except BaseException as error:
            self._log.fail(error)
            self._store(run)
            with suppress(GlrError):  # the first error is raised
                self._claim.verify()
                storage.write(self._file, self.text().encode(), overwrite=True)
            raise
        self._store(run)

    def _store(self, run: Recorder) -> None:
        try:
            run.text(self.text(), LOG)
        except GlrError as error:  # a full disk: the log must not fail a run
            say(f"the log is not stored with the run: {error}", file=sys.stderr)
