"""A small SLURM: `slurm_commands.py sbatch|srun|squeue|scancel ...` runs arrays as processes, without accounting.

Its folder, $SLURM_FOLDER, holds a file for each task with its state, and one with its process. Tasks are PENDING until
the file `open` exists. Tasks that have ended are forgotten when the file `forget` exists.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

folder = Path(os.environ["SLURM_FOLDER"])


def write(name: str, state: str) -> None:
    """Set the state of a task."""
    (part := folder / f"{name}.{os.getpid()}").write_text(state)
    part.replace(folder / f"{name}.state")


def sbatch(script: str) -> None:
    """Start the tasks of an array."""
    text = Path(script).read_text()
    last = re.search(r"--array=0-(\d+)", text)
    number = len(list(folder.glob("*.array"))) + 1
    (folder / f"{number}.array").touch()
    names = [f"{number}_{index}" for index in range(int(last[1]) + 1)] if last else [str(number)]
    for name in names:
        write(name, "PENDING")
        line = [sys.executable, __file__, "task", name, script]
        task = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        (folder / f"{name}.pid").write_text(str(task.pid))
    print(f"Submitted batch job {number}")


def task(name: str, script: str) -> None:
    """Wait for the opening, and run one task."""
    state = folder / f"{name}.state"
    while not (folder / "open").exists():
        time.sleep(0.05)
    write(name, "RUNNING")
    array, _, index = name.partition("_")
    places = {"NTASKS": "1", "JOB_NUM_NODES": "1", "NODEID": "0", "JOB_NODELIST": "one", "PROCID": "0", "LOCALID": "0"}
    places |= (
        {"JOB_ID": f"{array}{index}", "ARRAY_JOB_ID": array, "ARRAY_TASK_ID": index} if index else {"JOB_ID": name}
    )
    code = subprocess.run(
        ["bash", script], env=os.environ | {f"SLURM_{key}": value for key, value in places.items()}, check=False
    ).returncode
    if state.read_text() == "RUNNING":
        write(name, "FAILED" if code else "COMPLETED")


def srun(*arguments: str) -> None:
    """Run a program, with its output in a file."""
    program = next(place for place, text in enumerate(arguments) if text.startswith("/") and "python" in text)
    output = arguments[arguments.index("--output") + 1].replace("%t", "0").replace("%j", os.environ["SLURM_JOB_ID"])
    for mark, key in (("%A", "ARRAY_JOB_ID"), ("%a", "ARRAY_TASK_ID")):
        output = output.replace(mark, os.environ.get(f"SLURM_{key}", ""))
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.execv(arguments[program], arguments[program:])


def squeue(*_: str) -> None:
    """Print the id and the state of each task."""
    for file in folder.glob("*.state"):
        if file.read_text() in ("PENDING", "RUNNING") or not (folder / "forget").exists():
            print(file.stem, file.read_text())


def scancel(name: str) -> None:
    """Kill a task."""
    write(name, "CANCELLED")
    os.killpg(int((folder / f"{name}.pid").read_text()), signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
