"""The parent run of a sweep: a Hydra callback that opens it before the first job and closes it after the last."""

import atexit
import os
import re
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

# The parent run's id, for the jobs in their own processes.
PARENT_VARIABLE = "GLR_PARENT_RUN_ID"


class SweepRun(Callback):
    """Opens one MLflow run for the sweep; the jobs find its id in the environment and become its children.

    Hydra does not call `on_multirun_end` after a failed job, so the run is also closed at exit, as FAILED.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Create the store, if it is new, and the parent run."""
        # Hydra builds this callback in every command: MLflow's import must wait until there is a sweep.
        from glr.config.check import first_of
        from glr.tracking.store import connect, experiment

        tracking = config.tracking
        self.client = connect(tracking.uri)
        overrides = re.sub(r"=choice\(([^,()]*)\)(?= |$)", r"=\1", " ".join(config.hydra.overrides.task))
        name = f"sweep: {config.sweep or overrides}"
        # An experiment that is swept may name another study than the settings without it.
        study = experiment(self.client, first_of(config).study, tracking.artifacts)
        tags = {"kind": "sweep", "overrides": overrides}
        self.run_id = self.client.create_run(study, tags=tags, run_name=name[:250]).info.run_id
        os.environ[PARENT_VARIABLE] = self.run_id
        atexit.register(self._close, "FAILED")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002
        """Close the parent run."""
        self._close("FINISHED")

    def _close(self, status: str) -> None:
        atexit.unregister(self._close)
        self.client.set_terminated(self.run_id, status)
