"""A job with a given behaviour: `python worker.py BEHAVIOUR FOLDER`. Each start adds a line to FOLDER/starts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

behaviour, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)


def report(**values):
    file = Path(os.environ["GLR_PROGRESS"])
    (part := file.with_suffix(".part")).write_text(json.dumps(values))
    part.replace(file)


def wait():
    """Wait for a signal, but not for ever."""
    report(epoch=1, epochs=2, score=0.25, seconds_left=60.0)
    (folder / "ready").touch()
    time.sleep(60)


with (folder / "starts").open("a") as starts:
    starts.write(f"{time.monotonic()}\n")
print(f"{behaviour} begins", flush=True)
match behaviour:  # pyright: ignore[reportMatchNotExhaustive]
    case "finish":
        report(epoch=2, epochs=2, score=0.5, scores={"public/gap": 0.5})
    case "raise":
        raise ValueError("no such luck")
    case "refuse":
        report(epoch=1, epochs=2, failure="the loss is no longer a number")
        sys.exit("error: something else")
    case "die":
        os.kill(os.getpid(), signal.SIGKILL)
    case "die once":
        if len((folder / "starts").read_text().splitlines()) == 1:
            print("half a li", end="", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        report(epoch=2, epochs=2, score=0.75)
    case "crash":
        os.abort()
    case "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        wait()
    case "ignore":
        signal.signal(signal.SIGTERM, lambda *_: (folder / "told").touch())
        wait()
    case "leave":
        helper = subprocess.Popen(["sleep", "60"])
        (folder / "helper").write_text(str(helper.pid))
    case "show":
        print("GPU", os.environ.get("PLACE"), flush=True)
