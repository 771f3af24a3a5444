"""Trace and compile each distinct train step once; tracing and compiling run in separate processes."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import components
from glr.config.identity import settings_of
from glr.errors import GlrError
from glr.preflight.compiling import Compiled
from glr.preflight.topology import TOPOLOGIES
from glr.preflight.tracing import Traced
from glr.storage.temporary import temporary_folder

# Settings that determine the program. The schedule and the rate change only scalars in it; weights change nothing.
_PARTS = (
    *("backbone", "pooling", "head", "optimizer", "regularization", "model"),
    *("data.image_size", "data.normalization", "train.batch_size", "train.precision"),
)
_NOT_PARTS = {"expects", "label", "weights", "learning_rate"}
_SHOWN = 2000  # last characters of a crash's output that are shown


@dataclass(frozen=True)
class Step:
    """A train step to compile.

    Attributes:
        config: the run's config.
        topology: a name in `TOPOLOGIES`.
        classes: number of train classes.
        steps_per_epoch: number of steps, which the schedule needs.
    """

    config: DictConfig
    topology: str
    classes: int
    steps_per_epoch: int

    @property
    def key(self) -> str:
        """The same text for all steps that compile to the same program, except for a few scalars."""
        train = self.config.train
        parts = {
            key: value
            for key, value in settings_of(self.config).items()
            if any(key == part or key.startswith(f"{part}.") for part in _PARTS)
            and key.split(".")[-1] not in _NOT_PARTS
        }
        words = train.on_nan.value, train.weight_decay_on.value
        numbers = train.layer_decay, train.drop_path, train.head_rate, train.steps_per_execution
        return json.dumps([parts, words, numbers, self.topology, self.classes], sort_keys=True)


class Compiler:
    """Compiles steps and caches the results, including failures."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Traced, Compiled] | GlrError] = {}

    def __call__(self, step: Step) -> tuple[Traced, Compiled]:
        """Trace and compile a step, unless its result is cached.

        Raises:
            GlrError: the step cannot be traced or compiled.
        """
        if step.key not in self._known:
            try:
                self._known[step.key] = self._compiled(step)
            except GlrError as error:
                self._known[step.key] = error
        if isinstance(known := self._known[step.key], GlrError):
            raise known
        return known

    def _compiled(self, step: Step) -> tuple[Traced, Compiled]:
        cores = TOPOLOGIES[step.topology].cores
        share = step.config.train.batch_size // cores
        print(f"compiling for {step.topology}: {share} images on each of {cores} cores", file=sys.stderr, flush=True)
        with temporary_folder() as folder:
            config, module = Path(folder, "config.yaml"), Path(folder, "step.hlo")
            settings: Any = OmegaConf.to_container(step.config, resolve=True, enum_to_str=True)
            del settings["preflight"]
            config.write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
            # Trust the classes of this command line, even those that conf/ does not name.
            targets = sorted({node["_target_"] for _, node in components(step.config)})
            traced = _child("tracing", config, module, cores, step.classes, step.steps_per_epoch, *targets)
            return Traced(**traced), Compiled(**_child("compiling", module, step.topology))


def _child(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module of this package in a process of its own; return the JSON in the last line that it prints."""
    line = [sys.executable, "-m", f"glr.preflight.{module}", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    errors = done.stderr.strip()
    if sentence := re.search(r"^error: (.+)$", errors, re.MULTILINE):
        raise GlrError(sentence[1])
    raise GlrError(f"{module} the step failed with exit code {done.returncode}: {errors[-_SHOWN:] or 'no message'}")
