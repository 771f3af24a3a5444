"""Estimates as text: a line per figure for one run, a line per run for several."""

from collections.abc import Callable, Mapping, Sequence


def _gib(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _number(template: str, factor: float = 1) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else template.format(value * factor)


# Field -> (heading in a table, label in a single run's lines, format of a value).
_FIGURES: dict[str, tuple[str, str, Callable[..., str]]] = {
    "run": ("run", "run", str),
    "precision": ("precision", "precision", str),
    "topology": ("TPU", "TPU", str),
    "batch_per_core": ("batch/core", "images per core and step", str),
    "parameters": ("params M", "parameters, millions", _number("{:.1f}", 1e-6)),
    "arguments": ("args", "memory of a core for arguments, GiB", _gib),
    "temporaries": ("temp", "memory of a core for temporaries, GiB", _gib),
    "code": ("code", "memory of a core for code, GiB", _gib),
    "memory": ("all", "memory of a core in all, GiB", _gib),
    "capacity": ("of GiB", "memory of a core available, GiB", _gib),
    "fits": ("fits", "fits", lambda fits: "yes" if fits else "NO"),
    "largest_batch": ("max batch", "largest global batch{guessed}", "{:,}".format),
    "flops": ("TFLOP", "floating-point operations of a step, 10^12", _number("{:.2f}", 1e-12)),
    "accessed": ("GB", "memory traffic of a step, GB", _number("{:.1f}", 1e-9)),
    "step_seconds": ("step ms", "step time at best, ms", _number("{:.1f}", 1e3)),
    "cautious_seconds": ("cycles ms", "step time by instruction cycles, ms", _number("{:.1f}", 1e3)),
    "exchange_seconds": ("links ms", "gradient exchange, in both times, ms", _number("{:.1f}", 1e3)),
    "peak_share": ("of peak", "share of the chip's peak", _number("{:.0%}")),
    "images_per_second": ("images/s", "images/s at best", _number("{:,.0f}")),
    "host_cores": ("host cores", "host cores to decode these images", _number("{:.1f}")),
    "epoch_hours": ("epoch h", "training time of an epoch at best, hours", _number("{:.2f}")),
    "run_hours": ("run h", "training time of the run at best, hours", _number("{:.1f}")),
    "price": ("price", "price of the run", _number("{:,.2f}")),
}
_SHARED = ("topology", "capacity")


def table(rows: Sequence[Mapping[str, object]], *, searched: bool) -> str:
    """Write estimates as text, each with its `run`, `precision` and `topology`.

    Args:
        rows: values by field; a run that could not be estimated has only `failure` beside these three.
        searched: True if compiling found the largest batches, False if they are guesses.
    """
    fields = [field for field in _FIGURES if any(row.get(field) is not None for row in rows)]
    if len(rows) == 1 and "failure" not in rows[0]:
        lines = [(_FIGURES[field][1], _cell(rows[0], field)) for field in fields]
        guessed = "" if searched else ", a guess"
        return "\n".join(f"{name.format(guessed=guessed):<44}{value}" for name, value in lines)
    shared = [field for field in _SHARED if field in fields and len({row.get(field) for row in rows}) == 1]
    fields = [field for field in fields if field not in shared]
    cells = [[_FIGURES[field][0] for field in fields]]
    cells += [[_cell(row, field) for field in fields] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_aligned(c, w, n) for n, (c, w) in enumerate(zip(row, widths, strict=True))) for row in cells]
    lines = [lines[0], *(f"{line}{_note(row)}" for line, row in zip(lines[1:], rows, strict=True))]
    heading = [f"{_FIGURES[field][1]}: {_cell(rows[0], field)}" for field in shared]
    return "\n".join([*heading, *lines])


def _cell(row: Mapping[str, object], field: str) -> str:
    return "-" if field not in row else _FIGURES[field][2](row[field])


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def _note(row: Mapping[str, object]) -> str:
    return f"  {row['failure']}" if "failure" in row else ""
