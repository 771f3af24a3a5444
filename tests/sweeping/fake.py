"""A command with the settings of `train` whose jobs do as their `name` says: `python -m fake name=finish,raise -m`.

In the place of a run in MLflow, a job leaves ended/<key>.<start>.json with the status that its run would end with.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from glr.config.command import command
from glr.config.identity import key_of
from glr.errors import DivergedError


@command("train")
def main(config):
    """Behave."""
    key, behaviour = key_of(config), (config.name or "finish").split("-")[0]
    score = config.train.epochs / 100 if behaviour == "finish" else None
    started = time.monotonic_ns()

    def end(status, **values):
        file = Path("ended") / f"{key}.{started}.json"
        file.parent.mkdir(exist_ok=True)
        record = {"key": key, "study": config.study, "status": status, "score": score, "line": sys.argv[1:]}
        file.write_text(json.dumps(record | values))

    def leave(*_):
        end("KILLED")
        sys.exit(75)

    signal.signal(signal.SIGTERM, leave)
    Path("started").mkdir(exist_ok=True)
    (Path("started") / f"{key}.{started}").write_text(str(os.getpid()))
    print(f"doing {behaviour}")
    if behaviour == "raise":
        end("FAILED", failure="ValueError: no such luck")
        raise ValueError("no such luck")
    if behaviour == "diverge":
        Path(os.environ["GLR_PROGRESS"]).write_text(json.dumps({"failure": "the loss is nan in epoch 1"}))
        end("FAILED", failure="the loss is nan in epoch 1")
        raise DivergedError("the loss is nan in epoch 1")
    if behaviour == "die" and "KIND" not in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "hang" and "KIND" not in os.environ:
        time.sleep(60)
    if len(list(Path("started").iterdir())) >= int(os.environ.get("HOLD", "999")):
        Path("held").touch()
        time.sleep(60)
    Path(os.environ["GLR_PROGRESS"]).write_text(json.dumps({"epoch": 1, "epochs": 1, "score": score}))
    end("FINISHED")


if __name__ == "__main__":
    main()
