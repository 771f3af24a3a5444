"""The command line of every `python -m glr.<command>`: Hydra, with mistakes answered at once and in one sentence."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from glr.config.check import check_command_line, composed, help_text, launchable
from glr.config.schema import register
from glr.config.shorthand import CONF, SWEEPS, choices
from glr.errors import GlrError

# What joblib, submitit and Ray raise when the process of a job is gone.
_LOST = {"TerminatedWorkerError", "UncompletedJobError", "WorkerCrashedError"}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def decimal(number: float) -> str:
    """A number without an exponent and without trailing zeros, as tables print it: 1e-05 -> 0.00001."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def setup() -> None:
    """Register schemas and resolvers; needed once before any config is composed."""
    register()
    OmegaConf.register_new_resolver("decimal", decimal, replace=True)
    # For --help: the choices of the groups that a command has. Hydra would list those of all commands.
    OmegaConf.register_new_resolver("choices", lambda *groups: "\n".join(map(_listed, groups)), replace=True)
    # What a label says in the place of a null: ${or:${.scale},C-1}.
    OmegaConf.register_new_resolver("or", lambda value, instead: instead if value is None else value, replace=True)


def _listed(group: str) -> str:
    names = sorted(file.stem for file in SWEEPS.glob("*.yaml")) if group == "sweep" else choices(group)
    return f"{group}: {', '.join(names)}"


class Job:
    """A command's function as Hydra calls it, once for each job; launchers send its workers the command's name only.

    Args:
        name: the command's.
        task: its function of a config.

    Attributes:
        failure: what the function raised outside a sweep.
    """

    def __init__(self, name: str, task: Callable[[Any], Any]):
        self.__module__ = f"glr.{name}"  # Hydra's name of the job is its last part
        self.failure: Exception | None = None
        self._name, self._task = name, task

    def __call__(self, config: DictConfig) -> Any:
        """Run the function; outside a sweep keep what it raises."""
        try:
            return self._task(config)
        except Exception as error:
            if HydraConfig.get().mode != RunMode.RUN:
                raise  # a sweep's launcher must see that the job failed
            self.failure = error  # the command raises it: Hydra would write a line of its own to stderr
            return None

    def __reduce__(self) -> tuple[Callable[[str], "Job"], tuple[str]]:
        return _imported, (self._name,)


def _imported(name: str) -> Job:
    return Job(name, main_of(name).__wrapped__)


def main_of(name: str) -> Any:
    """The function `main` of a command, which is a module of glr or a package with a module __main__."""
    module = importlib.import_module(f"glr.{name}")
    return (importlib.import_module(f"glr.{name}.__main__") if hasattr(module, "__path__") else module).main


def command(config_name: str, *, together: bool = False) -> Callable[[Callable[[Any], Any]], Callable[[], None]]:
    """Make a function of a config into a command with conf/<config_name>.yaml as its settings.

    Everything that can be wrong with the settings is found before the function runs, in every job of a sweep.
    A GlrError or a file-system error ends the command with one sentence on stderr and status 1.

    Args:
        config_name: of conf/.
        together: the function is called once, without Hydra's launcher, with a list of all jobs of a sweep: each one's
            config and the choices of its groups. A single job is a list of one.
    """

    def decorate(task: Callable[[Any], Any]) -> Callable[[], None]:
        @wraps(task)
        def entry() -> None:
            setup()
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra lets exceptions through; they are answered here
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.EX_TEMPFAIL))  # an exit that tidies up
            try:
                arguments = get_args_parser().parse_intermixed_args()
                flags, overrides = [a for a in sys.argv[1:] if a not in arguments.overrides], arguments.overrides
                if not (arguments.hydra_help or arguments.shell_completion):
                    shown = arguments.help or arguments.cfg or arguments.info
                    overrides, jobs = check_command_line(config_name, overrides, arguments.multirun, not shown)
                    flags = [flag for flag in flags if flag not in ("-m", "--multirun")]
                    if together and not shown:
                        task([composed(config_name, job) for job in jobs or [overrides]])
                        return
                    if jobs and shown:
                        overrides = jobs[0]  # Hydra shows one job only
                    elif jobs:
                        flags, overrides = [*flags, "-m"], launchable(overrides)
                    if arguments.help:  # Hydra's own takes three times as long
                        print(help_text(config_name, overrides))
                        return
                sys.argv[1:] = flags + overrides  # Hydra takes overrides on one side of its flags only
                job = Job(config_name, task)
                hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(job)()
                if job.failure:
                    raise job.failure
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                sys.exit(130)
            except BrokenPipeError:  # whoever read the output has gone: `--help | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(1)
            except Exception as error:
                sentence = _sentence(error)
                if sentence is None:
                    raise
                sys.exit(f"error: {sentence}")

        return entry

    return decorate


def _sentence(error: Exception) -> str | None:
    """What the user needs to read of an error; None for a fault of the program, which shows its traceback."""
    if isinstance(error, GlrError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in {"tensorflow", "keras"}:
        extras = "pip install 'glr[cpu]', 'glr[gpu]' or 'glr[tpu]'"
        return f"TensorFlow is not installed; install glr with one of its extras: {extras}"
    if _LOST & {kind.__name__ for kind in type(error).__mro__}:
        return f"a job's process was killed, and the launcher gave up: {str(error).strip().splitlines()[0]}"
    if isinstance(error, OSError) and (error.filename or error.errno in _NO_ROOM):
        return f"{error.filename or 'writing failed'}: {error.strerror}"
    return None
