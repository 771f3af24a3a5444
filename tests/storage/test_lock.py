"""One holder at a time; a waiter never ends up with a lock file that its holder has deleted."""

import os
import threading
import time
from pathlib import Path

import pytest

from glr.storage.lock import acquire, held


@pytest.mark.parametrize("wait", [float("inf"), 20.0])
def test_a_waiter_creates_the_file_that_its_holder_deleted(tmp_path: Path, wait: float):
    path, holders = tmp_path / "lock", [0]

    def work() -> None:
        for _ in range(50):
            with held(path, wait) as file:
                assert os.path.samestat(os.fstat(file), path.stat())
                count = holders[-1]
                time.sleep(1e-4)
                holders.append(count + 1)  # two holders at once would give a number twice
                path.unlink()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holders == list(range(151))
    assert not path.exists()


def test_a_lock_that_is_held_is_refused_and_leaves_no_descriptor(tmp_path: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with held(tmp_path / "lock"), pytest.raises(BlockingIOError):
        acquire(tmp_path / "lock", wait=0.1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with held(tmp_path / "lock", wait=0):
        pass
