"""Ranges and choices of a search, as a command line writes them in Hydra's grammar."""

from collections.abc import Iterable
from dataclasses import dataclass

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from glr.config.grammar import values_of
from glr.errors import GlrError


@dataclass(frozen=True)
class Range:
    """A range of numbers that includes both ends."""

    low: float
    high: float
    step: float | None = None  # None: any number in between
    log: bool = False  # sampled uniformly in the logarithm

    @property
    def whole(self) -> bool:
        """True if both ends are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> list[str]:
        """The lowest and the highest value, as written on a command line."""
        return [written(self.low), written(self.high)]

    def __str__(self) -> str:
        step = "" if self.step in (None, 1) else f" in steps of {self.step:g}"
        return f"{self.low:g} to {self.high:g}{step}{', logarithmic' if self.log else ''}"


# The values of a setting, each as written on a command line, or the range of the values.
Parameter = list[str] | Range


def parameter(override: Override) -> Parameter:
    """The values that an override allows; a single value if the override is no sweep.

    `interval(a,b)` is a range of floats, `int(interval(a,b))` a range of integers. `range(a,b,step)` has steps and
    excludes b. `tag(log,...)` makes a range logarithmic. Anything else lists choices.

    Raises:
        GlrError: a range has fewer than two values, or a logarithmic range reaches zero or has steps.
    """
    swept = override.value()
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if isinstance(swept, IntervalSweep):
        assert swept.start is not None
        assert swept.end is not None
        domain = Range(swept.start, swept.end, log="log" in swept.tags)
    elif isinstance(swept, RangeSweep):
        values = sorted(swept.range())
        if not values:
            raise GlrError(f"{override.input_line}: this range holds no number")
        step = abs(swept.step)
        # Integers have step 1 by default; without an explicit step they may be sampled logarithmically.
        whole = isinstance(values[0], int) and step == 1
        domain = Range(values[0], values[-1], None if whole else step, "log" in swept.tags)
    else:
        return values_of(override)
    if domain.low >= domain.high:
        raise GlrError(f"{override.input_line}: a range goes from a lower to a higher number")
    if domain.log and (domain.low <= 0 or domain.step is not None):
        raise GlrError(f"{override.input_line}: a logarithmic range begins above 0 and has no steps")
    return domain


def is_open(domain: Parameter) -> bool:
    """Return True for a range and for several values."""
    return isinstance(domain, Range) or len(domain) > 1


def covering(parameters: dict[str, Parameter], groups: Iterable[str]) -> list[list[str]]:
    """Overrides of a few jobs that together reveal every mistake in a search.

    Each combination of the choices of `groups` is paired with each value, or both ends of the range, of every other
    setting. `groups` are config groups; their choices decide which settings exist.
    """
    combinations: list[list[str]] = [[]]
    for group in groups:
        combinations = [[*job, f"{group}={value}"] for job in combinations for value in _values(parameters[group])]
    others = {key: _values(domain) for key, domain in parameters.items() if key not in groups}
    count = max(map(len, others.values()), default=1)
    rows = [[f"{key}={values[row % len(values)]}" for key, values in others.items()] for row in range(count)]
    return [[*combination, *row] for combination in combinations for row in rows]


def written(value: float | str) -> str:
    """Format a value for a command line; 12 significant digits round 0.30000000000000004 to 0.3."""
    return repr(float(f"{value:.12g}")) if isinstance(value, float) else str(value)


def _values(domain: Parameter) -> list[str]:
    return domain.ends if isinstance(domain, Range) else domain
