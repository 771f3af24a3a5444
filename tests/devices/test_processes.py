"""A process of `SPAWN` runs a function, and not the script that started it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = """
print("the script runs", flush=True)
from concurrent.futures import ProcessPoolExecutor
from math import sqrt
from glr.devices.processes import SPAWN
print(list(ProcessPoolExecutor(2, SPAWN).map(sqrt, [4, 9])), __file__.endswith("script.py"), flush=True)
"""


@pytest.mark.parametrize("line", [["script.py"], ["-m", "script"]])
def test_a_script_without_a_guard_runs_once(line: list[str], tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *line],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("the script runs\n[2.0, 3.0] True\n", "")
