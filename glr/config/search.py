"""The settings of a search: `hydra.sweeper.*` under hydra/sweeper=optuna."""

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from omegaconf import DictConfig

from glr.config.installation import pip_install
from glr.config.schema import at_least, bounds
from glr.errors import GlrError

# The better scores: high or low ones.
Direction = StrEnum("Direction", "maximize minimize")

# How the next values are chosen: by the tree-structured Parzen estimator (Bergstra et al., 2011), or at random.
Sampler = StrEnum("Sampler", "tpe random")

# The trials to stop early: those below the median at the same step; those that Hyperband stops (Li et al., 2018); none.
Pruner = StrEnum("Pruner", "median hyperband none")


@dataclass
class Settings:
    """The settings hydra.sweeper.*, and their defaults."""

    n_trials: int = at_least(1, default=20)  # in total, those of earlier commands included
    n_jobs: int = at_least(1, default=1)  # trials that are launched together
    direction: Direction = Direction.maximize
    sampler: Sampler = Sampler.tpe
    seed: int = at_least(0, default=0)  # seed of the sampler
    pruner: Pruner = Pruner.median
    warmup_trials: int = at_least(0, default=5)  # finished trials before any is pruned by the median
    warmup_steps: int = at_least(0, default=2)  # the first epoch after which a trial may be pruned
    storage: str = "mlruns/searches.journal"
    study_name: str | None = None  # name of the search; null: a separate search for each set of ranges and settings


def check(node: DictConfig) -> None:
    """Check `hydra.sweeper` of a composed config.

    Raises:
        GlrError: a number is too small, the storage is no file, or Optuna is not installed.
    """
    for key, lowest, _ in bounds(Settings):
        if node[key] < lowest:
            raise GlrError(f"hydra.sweeper.{key}={node[key]}: expected at least {lowest}")
    if ":" in (node.study_name or ""):
        raise GlrError(f"hydra.sweeper.study_name={node.study_name}: a search's name has no colon")
    scheme, colon, _ = node.storage.partition("://")
    if colon:  # an address may hold a password
        raise GlrError(
            f"hydra.sweeper.storage={scheme}://...: a search is kept in a file that all its machines share; give a path"
        )
    if find_spec("optuna") is None:
        raise GlrError(f"hydra/sweeper=optuna: Optuna is not installed; {pip_install('optuna')}")
