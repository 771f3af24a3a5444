"""Hydra sweeper `optuna`: searches over ranges instead of running every combination.

Hydra imports every plugin at each start, so this module imports Optuna only when a search begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import II, DictConfig, OmegaConf

from glr.config.search import Settings


@dataclass
class OptunaSweeperConfig(Settings):
    """The settings of hydra/sweeper=optuna."""

    _target_: str = "hydra_plugins.glr_optuna.OptunaSweeper"
    n_jobs: int = II("sweep.jobs")


ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConfig, provider="glr")


class OptunaSweeper(Sweeper):
    """Runs `glr.tuning.search` with any launcher."""

    def __init__(self, **settings: Any):
        self.settings = Settings(**settings)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's config, and create its launcher."""
        self._config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search over the values and ranges in the sweep's overrides."""
        from glr import storage
        from glr.config.grammar import parse
        from glr.config.identity import settings_of
        from glr.config.jobs import keep_config, swept
        from glr.config.ranges import parameter
        from glr.config.secrets import redacted, without_secrets
        from glr.sweep.job import Job
        from glr.sweep.outcome import settle
        from glr.sweep.parent import record
        from glr.tuning.search import Search

        keep_config(self._config)
        overrides = swept(parse(arguments), self._config.hydra.sweeper)
        space = {o.get_key_element(): parameter(o) for o in overrides if o.is_sweep_override()}
        fixed = [override.input_line or "" for override in overrides if not override.is_sweep_override()]
        settings = settings_of(
            OmegaConf.masked_copy(self._config, [str(key) for key in self._config if key != "hydra"])
        )
        # Leave out the searched settings, and the settings of a searched choice.
        settings = without_secrets(settings)
        problem = {k: v for k, v in settings.items() if k not in space and k.split(".")[0] not in space}

        ended: list[Job] = []

        def launch(jobs: list[list[str]], first: int) -> Sequence[JobReturn]:
            results = self._launcher.launch([[*fixed, *job] for job in jobs], initial_job_idx=first)
            if not getattr(self._launcher, "sums_up", False):  # glr's launcher records its jobs itself
                for number, (line, done) in enumerate(zip(jobs, results, strict=True), start=first + 1):
                    ended.append(Job(number, line, redacted(" ".join(line)), Path(self._config.hydra.sweep.dir)))
                    settle(ended[-1], done)
                record(ended)
            return results

        problem["data.path"] = storage.normalized(self._config.data.path)  # a search over other data is another search

        Search(space, problem, self.settings).run(launch)
