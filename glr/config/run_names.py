"""The names of runs and sweeps in MLflow."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from glr.config.grammar import parse
from glr.config.identity import EVALUATION, debugged, flattened
from glr.config.secrets import redacted

# The environment variable that tells a sweep's jobs which settings distinguish them: JSON, key -> shortest clear key.
VARYING_VARIABLE = "GLR_VARYING"
SWEEP_VARIABLE = "GLR_SWEEP"  # the environment variable that tells the jobs the sweep's name
# Settings that place or name a run, or belong to the sweep as a whole.
_PLACING = re.compile(r"(study|name|resume|hydra|sweep|tracking)([./]|$)")


def run_name(config: DictConfig, choices: Mapping[str, object], overrides: Iterable[str] = ()) -> str:
    """Return the name that a run asks for; a study's second run of the name gets a number (see `glr.tracking.names`).

    It is the setting `name` without secrets. Without one, a job of a sweep is named by what distinguishes it from the
    others (`arcface seed=1`), any other run `<backbone>-<head>`. A debug run's name has a suffix.

    Args:
        config: composed from conf/train.yaml.
        choices: group -> choice.
        overrides: the job's command line.
    """
    chosen = redacted(config.name) if config.name else _distinction(overrides, choices)
    name = chosen or f"{choices['backbone']}-{choices['head']}"
    debug = debugged(config, choices)
    return f"{name}-debug-{debug}" if debug else name


def evaluation_name(model: str, overrides: Iterable[str]) -> str:
    """Return the name of an evaluation: `evaluate <model>` and the overrides that its scores depend on."""
    plain = [text.lstrip("+") for text in overrides]
    distinct = [text for text in plain if re.split(r"[.=]", text)[0] in EVALUATION and not text.endswith("=none")]
    return redacted(" ".join(["evaluate", model, *distinct]))


def sweep_name(overrides: Iterable[str], varying: Mapping[str, str], runs: str, given: str | None = None) -> str:
    """Return the name of a sweep: its question, as in `head x seed: 4 runs`.

    Args:
        overrides: the sweep's command line, which names a sweep of one job.
        varying: see `varying`.
        runs: the number of runs in words.
        given: the sweep's own name, which stands before the question.
    """
    if not varying:
        return redacted(f"sweep: {given or ' '.join(overrides)}")
    question = " x ".join(varying.values())
    return redacted(f"{given}: {question}, {runs}" if given else f"{question}: {runs}")


def varying(jobs: Sequence[Sequence[str]], settings: DictConfig) -> dict[str, str]:
    """The settings that distinguish a sweep's jobs, in the order of the command line: key -> shortest clear key.

    Args:
        jobs: each job's overrides.
        settings: the settings of any job.
    """
    values: defaultdict[str, set[str]] = defaultdict(set)
    for job in jobs:
        for key, value in dict(map(_split, job)).items():  # the last of a key's values counts
            values[key].add(value)
    different = [key for key, given in values.items() if len(given) > 1 and not _PLACING.match(key)]
    plain = OmegaConf.to_container(settings, resolve=False)
    assert isinstance(plain, dict)
    known = {*different, *(key for key, _ in flattened({str(key): value for key, value in plain.items()}))}
    return {key: _shortest(key, known) for key in different}


def distinguishing() -> dict[str, str]:
    """The settings that distinguish the jobs of the sweep that runs this job, see `varying`; empty outside a sweep."""
    return json.loads(os.environ.get(VARYING_VARIABLE) or "{}")


def _shortest(key: str, known: Iterable[str]) -> str:
    """The shortest end of a dotted key that no other key ends with."""
    parts = key.split(".")
    for start in range(len(parts) - 1, 0, -1):
        end = ".".join(parts[start:])
        if not any(other != key and f".{other}".endswith(f".{end}") for other in known):
            return end
    return key


def _distinction(overrides: Iterable[str], choices: Mapping[str, object]) -> str:
    """Name what distinguishes a job of a sweep; empty outside a sweep and in a sweep of one job."""
    short = distinguishing()
    own = dict(map(_split, overrides))
    return redacted(" ".join(_shown(key, own[key], short[key], choices) for key in short if key in own))


def _shown(key: str, value: str, short: str, choices: Mapping[str, object]) -> str:
    """A choice by its name, another setting as key=value."""
    given = parse([f"{key}={value}"])[0]
    plain = given.value()
    text = plain if isinstance(plain, str) else f"{plain:g}" if isinstance(plain, float) else value
    return text if key in choices and text not in ("none", "null") else f"{short}={text}"


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, value
