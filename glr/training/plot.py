"""The schedule's picture: the learning rate over the whole run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def plot_schedule(schedule: Callable[[Any], Any], steps_per_epoch: int, epochs: int, file: Path) -> None:
    """Draw the learning rate against the epoch as a PNG."""
    steps = np.unique(np.linspace(0, epochs * steps_per_epoch - 1, 1000).astype(int))
    rates = [float(schedule(int(step))) for step in steps]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps / steps_per_epoch, rates, drawstyle="steps-post")
    axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None), xlim=(0, epochs))
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
