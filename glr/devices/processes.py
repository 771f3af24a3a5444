"""Start processes that import a function's module, but not the caller's script.

Python's own `spawn` runs the caller's `__main__` again in each process. A script without
`if __name__ == "__main__":` that calls glr would start itself over and over.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script's name and file, by which a process would find it."""
    main = sys.modules["__main__"]
    hidden = {name: value for name, value in vars(main).items() if name in ("__spec__", "__file__")}
    vars(main).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        vars(main).update(hidden)


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 (the hook of multiprocessing)
        from multiprocessing.popen_spawn_posix import Popen

        with _without_script():
            return Popen(process_obj)


class _Context(SpawnContext):
    Process = _Process


SPAWN = _Context()  # as a fork would copy the caller's threads in a broken state
