"""Hydra launcher `subprocess`: each job of a sweep in a process of its own, one after the other.

TensorFlow keeps memory, seeds and (on a TPU) the device for the life of a process, and a job that crashes takes its
process with it: one process per job is the only clean sweep.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from glr.errors import GlrError


@dataclass
class SubprocessLauncherConfig:
    """conf: hydra/launcher=subprocess."""

    _target_: str = "hydra_plugins.glr_subprocess.SubprocessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="subprocess", node=SubprocessLauncherConfig, provider="glr")


class SubprocessLauncher(Launcher):
    """Runs `python -m <this command> <the job's overrides>` for each job; the others go on when one fails."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:  # noqa: ARG002
        """Keep the sweep's config."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs.

        Raises:
            GlrError: after all jobs have run, if any of them failed; names those.
        """
        module = sys.modules["__main__"].__spec__.name  # pyright: ignore[reportOptionalMemberAccess]
        folder = Path(self.config.hydra.sweep.dir)
        returns, failed = [], []
        for index, overrides in enumerate(job_overrides, start=initial_job_idx):
            shown = " ".join(filter_overrides(overrides)) or "(no overrides)"
            print(f"\njob {index + 1} of {initial_job_idx + len(job_overrides)}: {shown}", flush=True)
            status = subprocess.call(
                [
                    *[sys.executable, "-m", module, *overrides],
                    *["hydra.mode=RUN", f"hydra.run.dir={folder / str(index)}", f"hydra.job.num={index}"],
                ]
            )
            if status:
                failed.append(f"{shown} (exit code {status})")
            returns.append(
                JobReturn(
                    overrides=list(overrides),
                    working_dir=str(folder / str(index)),
                    status=JobStatus.FAILED if status else JobStatus.COMPLETED,
                    _return_value=None,
                )
            )
        if failed:
            raise GlrError(f"{len(failed)} of {len(job_overrides)} jobs failed: {'; '.join(failed)}")
        return returns
