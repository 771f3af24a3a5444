"""Run `python -m glr.<command>` with Hydra: check the command line first, and report a mistake in one sentence."""

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial, update_wrapper
from io import StringIO
from pathlib import Path
from string import Template
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from glr.config import completion, output, searchpath
from glr.config.check import check_command_line, composed
from glr.config.composition import composition
from glr.config.failure import report
from glr.config.grammar import as_overrides, as_typed
from glr.config.installation import CONF
from glr.config.internals import command_line
from glr.config.jobs import launchable
from glr.config.resolvers import setup
from glr.config.secrets import conceal, redacted
from glr.config.signals import forget, handle, received
from glr.config.started import started
from glr.errors import NO_ROOM, PREEMPTED, GlrError, is_no_room


class JobFunction:
    """Wraps a command's function for Hydra, which calls it once per job; its pickle holds only the command's name.

    Args:
        name: the command's name.
        task: the command's function, which takes a config.

    Attributes:
        result: what the function returned outside a sweep.
        failure: the exception that the function raised outside a sweep, or None.
    """

    def __init__(self, name: str, task: Callable[..., object]):
        self.__module__ = f"glr.{name}"  # Hydra names the job after the last part
        self.result: object = None
        self.failure: Exception | None = None
        self._name, self._task = name, task

    def __call__(self, config: DictConfig) -> float | None:
        """Run the function and return its result's score; outside a sweep, keep its exception in `failure`."""
        output.protect()  # this may be a launcher's worker, where the streams are not protected yet
        try:
            result = self._task(config)
            if HydraConfig.get().mode == RunMode.RUN:
                self.result = result
            return getattr(result, "score", None)
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
    """A command's function `main`, from the module glr.<name> or glr.<name>.__main__.

    Raises:
        GlrError: there is no such command.
    """
    try:
        module = importlib.import_module(f"glr.{name}")
        return (importlib.import_module(f"glr.{name}.__main__") if hasattr(module, "__path__") else module).main
    except (ImportError, AttributeError) as error:
        if isinstance(error, ImportError) and not str(error.name).startswith("glr."):
            raise  # a library is missing
        raise GlrError(f"there is no command {name}; `python -m glr` lists them") from error


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
        """Run the command line of this process; an error that the user can fix ends the process with one sentence."""
        handle(lambda *_: sys.exit(PREEMPTED))  # exit through the clean-up code
        output.protect()
        try:
            self.run(sys.argv[1:])
            if (self._printed or _only_prints(command_line())) and (lost := output.failure()):
                if not is_no_room(lost):
                    sys.exit(1)  # the reader has closed the pipe: `--help | head`
                raise lost
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if (code := _code(error)) is None:
                sys.exit(report(error))
            print(report(error), file=sys.stderr)
            sys.exit(code)

    def run(self, arguments: Sequence[str]) -> object:
        """Run the command with the arguments of a command line.

        Returns:
            The result of a single job; None for a sweep, and if the arguments ask for printed text, as `--help` does.

        Raises:
            GlrError: a mistake in the arguments, or a failure that the user can fix.
        """
        forget()
        setup()
        with started(arguments), searchpath.hydra(command_line().config_dir):
            return self._dispatch()

    def _dispatch(self) -> object:
        """Check the command line; then print, or run one job or the jobs of a sweep."""
        arguments = command_line()
        self._check_flags(arguments)
        flags = [argument for argument in sys.argv[1:] if argument not in arguments.overrides]
        given = conceal(as_typed(arguments.overrides))
        sys.argv[1:] = flags + given
        if arguments.shell_completion:
            return self._complete(flags, given)
        if arguments.hydra_help:
            return self._launch(flags, given)
        flags = [flag for flag in flags if flag not in ("-m", "--multirun")]
        shown = arguments.help or arguments.cfg or arguments.info
        overrides, jobs = check_command_line(self._config_name, given, arguments.multirun, not shown)
        if shown and jobs:
            print(_first_of(jobs), file=sys.stderr)
            overrides, jobs = jobs[0], None
        if arguments.help:  # Hydra's own help takes three times as long
            return print(help_text(self._config_name, overrides))
        if self._together and not shown:
            return self._task([composed(self._config_name, job) for job in jobs or [overrides]])
        if jobs:
            return self._launch([*flags, "-m"], launchable(overrides))
        if not shown and (launcher := [text for text in overrides if text.startswith("hydra/launcher=")]):
            raise GlrError(f"{launcher[0]}: a launcher runs the jobs of a sweep, also of a single one; add -m")
        return self._launch(flags, overrides)

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

    def _launch(self, flags: list[str], overrides: list[str]) -> object:
        """Let Hydra run the command line; return the result of a single job."""
        GlobalHydra.instance().clear()  # Hydra starts anew
        sys.argv[1:] = flags + overrides  # Hydra accepts overrides on one side of its flags only
        job = JobFunction(self._config_name, self._task)
        hydra.main(config_path=str(CONF), config_name=self._config_name, version_base="1.3")(job)()
        if job.failure:
            raise job.failure
        return job.result


def compose(command: str, *arguments: str, **settings: object) -> DictConfig:
    """Compose a command's settings, and check all of them as the command would.

    Args:
        command: the command, such as "train".
        arguments: overrides as on a command line, such as "head=arcface", and the flag --config-dir.
        settings: further settings, such as `seed=1`; `**{"data.source.path": "photos"}` for a key with dots.

    Raises:
        GlrError: the first mistake, in one sentence.
    """
    main_of(command)
    setup()
    with started([*arguments, *as_overrides(settings)]):
        line = command_line()
        with searchpath.hydra(line.config_dir):
            overrides, _ = check_command_line(command, conceal(as_typed(line.overrides)), False)
            return composed(command, overrides)[0]


def run(command: str, *arguments: str, **settings: object) -> Any:
    """Run a command in this process: `glr.run("train", "head=arcface", seed=1)` is `glr train head=arcface seed=1`.

    Args:
        command: the command, such as "train".
        arguments: overrides and flags as on a command line, such as "head=arcface,cosface" and "-m".
        settings: further settings, such as `seed=1`; `**{"data.source.path": "photos"}` for a key with dots.

    Returns:
        The command's result, such as `glr.retrieval.scores.Scored` of "train" and "evaluate"; None for a sweep.

    Raises:
        GlrError: a mistake in the settings, or a failure that the user can fix.
    """
    try:
        return main_of(command).run([*arguments, *as_overrides(settings)])
    except SystemExit as ended:
        if ended.code in (None, 0):  # --version
            return None
        if ended.code == PREEMPTED:  # a signal ends this process
            raise
        # Hydra turns other exceptions of a sweep's callback into warnings, and argparse prints its own message.
        said = ended.code.removeprefix("error: ") if isinstance(ended.code, str) else None
        why = "there is no room on a disk" if ended.code == NO_ROOM else "its arguments cannot be read"
        raise GlrError(said or f"glr {command} has ended: {why}") from ended


def _code(error: Exception) -> int | None:
    """The exit code of an error that has one of its own; that of a signal if one came before, and may be the cause."""
    if is_no_room(error):
        return NO_ROOM
    number = received()
    return None if number is None else 130 if number == signal.SIGINT else PREEMPTED


def _only_prints(arguments: Namespace) -> bool:
    """Return True if the flags ask for printed text, which is the whole result."""
    shows = arguments.help, arguments.cfg, arguments.info, arguments.hydra_help, arguments.shell_completion
    return any(shows)


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
