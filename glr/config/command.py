"""Run `python -m glr.<command>` with Hydra: check the command line first, and report a mistake in one sentence."""

import importlib
import os
import secrets
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import lru_cache, partial, update_wrapper
from io import StringIO
from pathlib import Path
from string import Template

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from glr.config import completion, output, searchpath
from glr.config.check import check_command_line, composed
from glr.config.composition import composition
from glr.config.failure import report
from glr.config.grammar import as_typed
from glr.config.installation import CONF, SWEEPS
from glr.config.internals import command_line
from glr.config.jobs import launchable
from glr.config.names import as_file_name, base_name
from glr.config.schema import register
from glr.config.searchpath import choices
from glr.config.secrets import conceal, redacted
from glr.config.signals import ending
from glr.errors import NO_ROOM, PREEMPTED, GlrError, is_no_room


def decimal(number: float) -> str:
    """Format a number for tables, without an exponent or trailing zeros: 1e-05 -> 0.00001."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def setup() -> None:
    """Register schemas and resolvers; call it once before any config is composed."""
    register()
    OmegaConf.register_new_resolver("decimal", decimal, replace=True)
    # A random part of a folder's name: two commands that start in the same second get different folders.
    OmegaConf.register_new_resolver("token", lambda: _token(os.getpid()), replace=True)
    # Makes a setting safe as the name of a folder: a study's name cannot point to another folder.
    OmegaConf.register_new_resolver("file_name", as_file_name, replace=True)
    # The last part of a path, as a set's name in titles.
    OmegaConf.register_new_resolver("base_name", base_name, replace=True)
    # Lists the choices of this command's groups in --help; Hydra would list the groups of all commands.
    OmegaConf.register_new_resolver("choices", _listed, replace=True)
    # The text that a label shows for null: ${or:${.scale},C-1}.
    OmegaConf.register_new_resolver("or", lambda value, instead: instead if value is None else value, replace=True)


@lru_cache(maxsize=1)
def _token(process: int) -> str:  # noqa: ARG001 (a forked process gets its own token)
    return secrets.token_hex(3)


def _listed(*groups: str, _root_: DictConfig) -> str:
    """List the choices of groups, a line each, on the search path of the composed config `_root_`."""
    names = {"sweep": sorted(file.stem for file in SWEEPS.glob("*.yaml"))}
    overrides = [str(text) for text in _root_.hydra.overrides.hydra]
    return "\n".join(f"{group}: {', '.join(names.get(group) or choices(group, overrides))}" for group in groups)


class JobFunction:
    """Wraps a command's function for Hydra, which calls it once per job; its pickle holds only the command's name.

    Args:
        name: the command's name.
        task: the command's function, which takes a config.

    Attributes:
        failure: the exception that the function raised outside a sweep, or None.
    """

    def __init__(self, name: str, task: Callable[..., object]):
        self.__module__ = f"glr.{name}"  # Hydra names the job after the last part
        self.failure: Exception | None = None
        self._name, self._task = name, task

    def __call__(self, config: DictConfig) -> object:
        """Run the function; outside a sweep, keep its exception in `failure`."""
        output.protect()  # this may be a launcher's worker, where the streams are not protected yet
        try:
            return self._task(config)
        except Exception as error:
            if HydraConfig.get().mode != RunMode.RUN:
                raise  # a sweep's launcher must see that the job failed
            self.failure = error  # the command raises it later: Hydra would add a line of its own to stderr
            return None

    def __reduce__(self) -> tuple[Callable[[str], "JobFunction"], tuple[str]]:
        return _imported, (self._name,)


def _imported(name: str) -> JobFunction:
    return JobFunction(name, main_of(name).__wrapped__)


def main_of(name: str) -> "Command":
    """A command's function `main`, from the module glr.<name> or glr.<name>.__main__."""
    module = importlib.import_module(f"glr.{name}")
    return (importlib.import_module(f"glr.{name}.__main__") if hasattr(module, "__path__") else module).main


class Command:
    """Wraps a function as a command; a call runs the command with this process's command line.

    Args:
        task: the function, which takes a config.
        config_name: see `command`.
        together: see `command`.
        printed: see `command`.
    """

    def __init__(self, task: Callable[..., object], config_name: str, together: bool, printed: bool):
        update_wrapper(self, task)
        self._task, self._config_name, self._together, self._printed = task, config_name, together, printed

    def __call__(self) -> None:
        """Run the command; an error that the user can fix ends the process with one sentence."""
        setup()
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra must not catch exceptions: they are reported below
        for number in ending():
            signal.signal(number, lambda *_: sys.exit(PREEMPTED))  # exit through the clean-up code
        output.protect()
        try:
            with searchpath.hydra(command_line().config_dir):
                printed = self._dispatch()
            if printed and (lost := output.failure()):
                if not is_no_room(lost):
                    sys.exit(1)  # the reader has closed the pipe: `--help | head`
                raise lost
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if not is_no_room(error):
                sys.exit(report(error))
            print(report(error), file=sys.stderr)
            sys.exit(NO_ROOM)

    def _dispatch(self) -> bool:
        """Check the command line; then print, or run one job or the jobs of a sweep.

        Returns:
            True if the printed text is the whole result.
        """
        arguments = command_line()
        self._check_flags(arguments)
        flags = [argument for argument in sys.argv[1:] if argument not in arguments.overrides]
        given = conceal(as_typed(arguments.overrides))
        sys.argv[1:] = flags + given
        if arguments.shell_completion:
            self._complete(flags, given)
            return True
        if arguments.hydra_help:
            self._launch(flags, given)
            return True
        flags = [flag for flag in flags if flag not in ("-m", "--multirun")]
        shown = arguments.help or arguments.cfg or arguments.info
        overrides, jobs = check_command_line(self._config_name, given, arguments.multirun, not shown)
        if shown and jobs:
            print(_first_of(jobs), file=sys.stderr)
            overrides, jobs = jobs[0], None
        if arguments.help:  # Hydra's own help takes three times as long
            print(help_text(self._config_name, overrides))
        elif self._together and not shown:
            self._task([composed(self._config_name, job) for job in jobs or [overrides]])
        elif jobs:
            self._launch([*flags, "-m"], launchable(overrides))
        else:
            self._launch(flags, overrides)
        return bool(shown) or self._printed

    def _complete(self, flags: list[str], given: list[str]) -> None:
        """Print the script of a shell (`install=bash`), or the words that complete $COMP_LINE (`query=bash`)."""
        if text := completion.script(" ".join(given)):
            print(text, end="")
            return
        with redirect_stdout(StringIO()) as printed:
            self._launch(flags, given)
        line = os.environ.get("COMP_LINE", "").partition(" ")[2]
        groups = composition(self._config_name, ()).choices
        print("\n".join(completion.completed(line, printed.getvalue().split(), groups)))

    def _check_flags(self, arguments: Namespace) -> None:
        """Refuse Hydra's flags for other settings than this command's, which the check would not read."""
        name, folder = arguments.config_name, arguments.config_dir
        if arguments.config_path or name not in (None, self._config_name):
            flag = f"--config-path={arguments.config_path}" if arguments.config_path else f"--config-name={name}"
            raise GlrError(
                f"{flag}: the settings of {self._config_name} are those of conf/{self._config_name}.yaml; "
                "put your own values into an experiment in a folder of yours: --config-dir FOLDER experiment=NAME"
            )
        if folder is not None and not Path(folder).is_dir():
            raise GlrError(f"--config-dir {folder}: there is no such folder")

    def _launch(self, flags: list[str], overrides: list[str]) -> None:
        """Let Hydra run the command line."""
        GlobalHydra.instance().clear()  # Hydra starts anew
        sys.argv[1:] = flags + overrides  # Hydra accepts overrides on one side of its flags only
        job = JobFunction(self._config_name, self._task)
        hydra.main(config_path=str(CONF), config_name=self._config_name, version_base="1.3")(job)()
        if job.failure:
            raise job.failure


def _first_of(jobs: list[list[str]]) -> str:
    """The line that says which job of a sweep or search is shown."""
    which = "an example of the search's jobs" if "hydra/sweeper=optuna" in jobs[0] else f"job 1 of {len(jobs)}"
    return f"this is {which}: {redacted(' '.join(jobs[0]))}"


def command(
    config_name: str, *, together: bool = False, printed: bool = False
) -> Callable[[Callable[..., object]], Command]:
    """Make a function a command whose settings are in conf/<config_name>.yaml; the function takes a config.

    The command checks all settings of every job before the function runs. A GlrError or a file-system error ends the
    command with one sentence on stderr and status 1.

    Args:
        config_name: the file in conf/, without .yaml.
        together: call the function once, without Hydra's launcher, with a list of pairs, one per job: the config and
            the choices of its groups.
        printed: the printed text is the command's result; the command fails if the text cannot be written.
    """
    return partial(Command, config_name=config_name, together=together, printed=printed)


def help_text(config_name: str, overrides: list[str]) -> str:
    """Return the command's help: its purpose, its choices, and its settings with these overrides."""
    job = composition(config_name, tuple(overrides))
    return Template(job.hydra.help.template).substitute(CONFIG=OmegaConf.to_yaml(job.settings))
