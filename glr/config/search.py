"""The settings of a search: `hydra.sweeper.*` under hydra/sweeper=optuna."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig

from glr.config.grammar import in_grammar
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
    params: dict[str, str] = field(default_factory=dict)  # values and ranges to search, as on a command line
    search_space: dict[str, Any] = field(default_factory=dict)  # ranges as in Hydra's own sweeper, see `ranges`


def ranges(space: Mapping[str, Any]) -> dict[str, str]:
    """Write `hydra.sweeper.search_space` in Hydra's grammar.

    Args:
        space: setting -> `{type: int or float, low, high, step, log}`, both ends included, or
            `{type: categorical, choices}`, as Hydra's sweeper for Optuna defines them.

    Raises:
        GlrError: a range lacks a type or an end, or has another key.
    """
    return {key: _range(f"hydra.sweeper.search_space.{key}", node) for key, node in space.items()}


def _range(key: str, node: Any) -> str:
    kind = node.get("type") if isinstance(node, Mapping | DictConfig) else None
    needed = {"type", "choices"} if kind == "categorical" else {"type", "low", "high"}
    allowed = needed if kind == "categorical" else needed | {"step", "log"}
    if kind not in ("int", "float", "categorical") or not needed <= set(node) <= allowed:
        raise GlrError(
            f"{key}={node}: expected {{type: int or float, low: NUMBER, high: NUMBER, step: NUMBER, log: BOOLEAN}} "
            "or {type: categorical, choices: [...]}"
        )
    if kind == "categorical":
        return f"choice({','.join(map(in_grammar, node['choices']))})"
    low, high, step = node["low"], node["high"], node.get("step")
    if step is not None:
        text = f"range({low},{high + (1 if kind == 'int' else step / 2)},{step})"  # a range excludes its end
    else:
        text = f"int(interval({low},{high}))" if kind == "int" else f"interval({low},{high})"
    return f"tag(log,{text})" if node.get("log") else text


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
