"""A command with the settings of `train` whose jobs do as their `name` says, `python -m tests.sweep.fake name=x,y -m`.

A job writes its process's id to started/<time>. Instead of a run in MLflow it leaves ended/<time>.json: its command
line, and the status that its run would have.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def job(line: list[str]) -> None:
    """Run the behaviour without Hydra."""
    name = next((text.removeprefix("name=") for text in line if text.startswith("name=")), "finish")
    now = time.monotonic_ns()

    def report(**values):
        Path(os.environ["GLR_PROGRESS"]).write_text(json.dumps(values))

    def end(status, **values):
        Path("ended").mkdir(exist_ok=True)
        (part := Path("ended") / f"{now}.part").write_text(json.dumps({"line": line, "status": status} | values))
        part.rename(part.with_suffix(".json"))

    def leave(*_):
        end("KILLED")
        sys.exit(75)

    signal.signal(signal.SIGTERM, leave)
    Path("started").mkdir(exist_ok=True)
    (Path("started") / str(now)).write_text(str(os.getpid()))
    print("this is", name)
    healed = "HEALED" in os.environ
    if name == "raise":
        end("FAILED", failure="ValueError: no such luck")
        raise ValueError("no such luck")
    if name == "diverge":
        report(failure="the loss is nan in epoch 1")
        end("FAILED", failure="the loss is nan in epoch 1")
        sys.exit("error: the loss is nan in epoch 1")
    if name == "die" and not healed:
        os.kill(os.getpid(), signal.SIGKILL)
    if len(list(Path("started").iterdir())) >= int(os.environ.get("HOLD", "999")):
        Path("held").touch()
        name = "hang"
    if name == "hang" and not healed:
        time.sleep(60)
    report(epoch=7, epochs=7, score=0.07)
    end("FINISHED", score=0.07)


if __name__ == "__main__":
    if "hydra.mode=RUN" in sys.argv:
        job(sys.argv[1:])
    else:
        from glr.config.command import command

        main = command("train")(print)
        main()  # each job is a process of its own
