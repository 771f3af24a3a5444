"""Hydra launcher `subprocess`: runs each job of a sweep in a process of its own, `sweep.jobs` at a time.

Jobs in one process would affect each other: TensorFlow keeps memory, seeds and (on a TPU) the device until the process
ends, and a crash ends the process. Hydra finds launchers only in hydra_plugins; glr.sweep does the work.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from glr.config.command import Command
from glr.config.grammar import in_grammar
from glr.config.jobs import for_each_job
from glr.errors import GlrError
from glr.sweep.gpus import dealt
from glr.sweep.job import Job
from glr.sweep.launcher import JobLauncher
from glr.sweep.pool import Started
from glr.sweep.process import local


@dataclass
class SubprocessLauncherConfig:
    """The settings of hydra/launcher=subprocess."""

    _target_: str = "hydra_plugins.glr_subprocess.SubprocessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="subprocess", node=SubprocessLauncherConfig, provider="glr")


class SubprocessLauncher(JobLauncher):
    """Runs `python -m <this command> <the job's overrides>` for each job."""

    @contextmanager
    def opened(self, jobs: Sequence[Job]) -> Iterator[Callable[[Job, int], Started]]:  # noqa: ARG002
        """Yield the function that starts a job's process, with its share of the GPUs."""
        for name in ("budget", "on_interrupt"):
            if self.config.sweep.get(name) is not None:
                raise GlrError(f"sweep.{name} is for rented machines; add hydra/launcher=tpu_vm, or leave it out")
        yield local(self._command, dealt(self.config.sweep.jobs).__getitem__)

    def _command(self, job: Job) -> list[str]:
        main = sys.modules["__main__"]  # a command, unless other code calls `glr.run`
        spec = main.__spec__ if isinstance(getattr(main, "main", None), Command) else None
        name = spec.name if spec else f"glr.{self.config.hydra.job.config_name}"
        # Only the first start begins from scratch: after a kill, the job continues.
        anew = job.identity is not None and self.config.sweep.rerun.name == "all" and job.starts == 1
        return [
            *[sys.executable, "-m", name.removesuffix(".__main__"), *for_each_job(self.config.hydra), *job.overrides],
            *(["resume=never"] if anew else []),
            *["hydra.mode=RUN", f"hydra.run.dir={in_grammar(str(job.folder))}", f"hydra.job.num={job.number - 1}"],
        ]
