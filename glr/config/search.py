"""The settings of a search: `hydra.sweeper.*` under hydra/sweeper=optuna."""

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from omegaconf import DictConfig

from glr.config.installation import pip_install
from glr.config.schema import at_least, bounds
from glr.errors import GlrError

# The goal of the search: high scores or low scores.
Direction = StrEnum("Direction", "maximize minimize")

# The sampler of the next values: the tree-structured Parzen estimator (Bergstra et al., 2011), or random sampling.
Sampler = StrEnum("Sampler", "tpe random")

# The rule that stops trials early: below the median at the same step, Hyperband (Li et al., 2018), or no rule.
Pruner = StrEnum("Pruner", "median hyperband none")


@dataclass
class Settings:
    """The settings hydra.sweeper.*, and their defaults."""

    n_trials: int = at_least(1, default=20)  # in total, including the trials of earlier commands
    n_jobs: int = at_least(1, default=1)  # trials that are launched together
    direction: Direction = Direction.maximize
    sampler: Sampler = Sampler.tpe
    seed: int = at_least(0, default=0)  # seed of the sampler
    pruner: Pruner = Pruner.median
    warmup_trials: int = at_least(0, default=5)  # finished trials before the median pruner starts
    warmup_steps: int = at_least(0, default=2)  # the first epoch after which a trial may be pruned
    storage: str = "mlruns/searches.journal"
    study_name: str | None = None  # name of the search; null: each set of ranges and settings has its own search


def check(node: DictConfig) -> None:
    """Check `hydra.sweeper` of a composed config.

    Raises:
        GlrError: a number is too small, a name or storage is invalid, or Optuna is not installed.
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
