"""Jobs for slices."""

from collections.abc import Callable
from pathlib import Path

import pytest

from glr.sweep.job import Job


@pytest.fixture
def jobs(tmp_path: Path) -> Callable[..., list[Job]]:
    return lambda *names: [Job(n, [], name, tmp_path / str(n), price=3.6) for n, name in enumerate(names, start=1)]
