"""Protected output is written as early as a plain process writes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from glr.config import output
output.protect()
print("first")
if len(sys.argv) > 1:
    sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("line", [["-u", "-c", CODE], ["-c", CODE, "flush"]], ids=["unbuffered", "flushed"])
def test_what_a_killed_process_has_printed(tmp_path: Path, line: list[str]):
    """A sweep starts its jobs unbuffered: it reads along, and the log holds their last words."""
    with (tmp_path / "log.txt").open("wb") as log:
        subprocess.run([sys.executable, *line], stdout=log, check=False)
    assert (tmp_path / "log.txt").read_text() == "first\n"


def test_a_terminal_that_knows_ascii_only_gets_escapes():
    code = "from glr.config import output; output.protect(); print('caf\\xe9 \\u65e5')"
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("caf\\xe9 \\u65e5\n", "")
