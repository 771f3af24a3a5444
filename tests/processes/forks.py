"""Commands of glr in processes of their own that start within a second: forked from one that has imported everything.

Run as a program it is that one: each line on its standard input, a JSON object, is a command to start or to wait for.
Its arguments are the libraries that its commands must not import: it has imported little itself then, and one that
does says so on its standard error.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Forks:
    """Starts commands; all of them end with it.

    Args:
        without: libraries that none of them is to import; one that does says so.
    """

    def __init__(self, without: Sequence[str] = ()):
        env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([sys.executable, __file__, *without], env=env, **pipes)
        self._started: set[int] = set()

    def start(
        self,
        *arguments: str,
        cwd: Path,
        command: str = "train",
        dies_at: int | None = None,
        log: Sequence[str] = ("log.txt", "log.txt"),
        **env: str,
    ) -> int:
        """Start a program and return its process id. Its output is appended to `log.txt` in its folder.

        Args:
            arguments: arguments of the command line.
            cwd: its folder.
            command: a command of glr, the full name of another module, or -c with the code as first argument.
            dies_at: number, from 1, of the `os.fsync` call at which the program kills itself with SIGKILL.
            log: file for its output, and file for its errors.
            env: additional environment variables.
        """
        values = {"arguments": arguments, "cwd": str(cwd), "command": command, "dies_at": dies_at, "env": env}
        values["log"] = log
        process = self._ask(start=values)
        self._started.add(process)
        return process

    def wait(self, process: int) -> int:
        """Wait for the process; return its exit code, or minus the signal that killed it."""
        self._started.discard(process)
        return os.waitstatus_to_exitcode(self._ask(wait=process))

    def run(self, *arguments: str, cwd: Path, **options: Any) -> int:
        """Start a program and wait for its exit code."""
        return self.wait(self.start(*arguments, cwd=cwd, **options))

    def output(self, *arguments: str, cwd: Path, command: str = "train", **env: str) -> subprocess.CompletedProcess:
        """Start a program, wait, and return its output as `subprocess.run` does."""
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("output", "errors")]
            code = self.run(*arguments, cwd=cwd, command=command, log=files, **env)
            output, errors = (Path(file).read_text() for file in files)
        return subprocess.CompletedProcess(arguments, code, output, errors)

    def close(self) -> None:
        for process in self._started:
            os.kill(process, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    def _ask(self, **request: Any) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forks(without: Sequence[str] = ()) -> Iterator[Forks]:
    """Yield a `Forks`, and close it in the end."""
    opened = Forks(without)
    try:
        yield opened
    finally:
        opened.close()


_OF_A_RUN = ["mlflow", "glr.train.training", "glr.tracking.run", "glr.retrieval.scores"]
_OF_A_RUN += [f"mlflow.store.tracking.{kind}_store" for kind in ("rest", "sqlalchemy")]
_OF_A_RUN += [
    "glr.data.augment",
    "glr.model.backbone",
    "glr.data.preparation",
    "glr.model.head.adacos",
    "glr.model.pooling",
    "glr.devices.strategy",
]


def _serve(without: Sequence[str]) -> None:
    import importlib

    from glr.devices.startup import import_tensorflow, importing

    with importing():  # a collection in a command would otherwise visit, and so copy, all that is imported here
        if not without:
            import_tensorflow()
        for module in ("glr.config.command", *(() if without else _OF_A_RUN)):
            importlib.import_module(module)
        _compose()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        answer = os.waitpid(request["wait"], 0)[1] if "wait" in request else _fork(request["start"], answers, without)
        print(answer, file=answers, flush=True)


def _compose() -> None:
    """Compose a job once: Hydra looks for its plugins and reads its grammar, which every command would do again."""
    from glr.config.composition import composition
    from glr.config.resolvers import setup

    setup()
    composition("train", ())


def _fork(start: dict[str, Any], answers: Any, without: Sequence[str]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        answers.close()
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        os.chdir(start["cwd"])
        sys.path[0] = start["cwd"]  # as `python -m` does
        for number, file in enumerate(start["log"], start=1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(start["env"])
        if start["dies_at"] is not None:
            _die_at(start["dies_at"])
        code = _run(start["command"], start["arguments"])
        for name in sys.modules.keys() & set(without):
            print(f"{name} was imported", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(command: str, arguments: Sequence[str]) -> int:
    import runpy

    module = command if "." in command else f"glr.{command}"
    sys.argv = [module, *arguments]
    try:
        if command == "-c":
            sys.argv = ["-c", *arguments[1:]]
            exec(arguments[0], {"__name__": "__main__"})
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


def _die_at(count: int) -> None:
    fsync, calls = os.fsync, 0

    def counted(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    os.fsync = counted


if __name__ == "__main__":
    _serve(sys.argv[1:])
