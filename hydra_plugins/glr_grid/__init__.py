"""Hydra sweeper `grid`: runs every combination of a sweep's values.

Hydra's own sweeper `basic` composes every job before it launches the first. The command line has done that already, and
500 jobs would take half a minute. The combinations are those that the command line has checked.
"""

from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from glr.config.jobs import jobs_of
from glr.errors import GlrError


@dataclass
class GridSweeperConfig:
    """conf: hydra/sweeper=grid."""

    _target_: str = "hydra_plugins.glr_grid.GridSweeper"
    max_batch_size: int | None = None  # jobs that are launched together; null: all
    params: dict[str, str] | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConfig, provider="glr")


class GridSweeper(Sweeper):
    """Launches the jobs in batches.

    Args:
        max_batch_size: jobs in a batch; None: all of them.
        params: of `glr.config.jobs.jobs_of`, which finds them in the config.
    """

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None):  # noqa: ARG002
        self._batch = max_batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's config, and make its launcher."""
        self._config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:  # noqa: ARG002
        """Run the jobs.

        Raises:
            GlrError: a batch holds no job.
            Exception: what the first failed job of a batch raised.
        """
        folder = Path(self._config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, folder / "multirun.yaml")
        jobs = jobs_of(self._config)
        size = len(jobs) if self._batch is None else self._batch
        if size < 1:
            raise GlrError(f"hydra.sweeper.max_batch_size={size}: expected at least 1")
        for first in range(0, len(jobs), size):
            for done in self._launcher.launch(jobs[first : first + size], initial_job_idx=first):
                _ = done.return_value
