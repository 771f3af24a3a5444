"""Run a script of glr.export.runtimes where some libraries are not installed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_BLOCKED = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(script: Path, *arguments: Path | str, blocked: Sequence[str]) -> str:
    """Run a script without the blocked libraries, glr among them; return what it prints."""
    code = _BLOCKED.format(blocked=("glr", "hydra", "omegaconf", "cv2", *blocked))
    call = [sys.executable, "-I", "-c", code, script, *arguments]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
