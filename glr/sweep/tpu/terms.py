"""What the slices of a sweep share, and the scripts that their VMs run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from glr.errors import PREEMPTED
from glr.sweep.tpu.slices import Slice

_MARGIN = 900  # s that a slice may exceed its limit while its job saves


@dataclass(frozen=True)
class Terms:
    """What the slices of a sweep share.

    Attributes:
        wanted: their kind.
        zones: where to look for one, the best zone first.
        bucket: the folder of the fleet in the bucket.
        sweep: the sweep's key, a label.
        code: the folder of the code in the bucket; see `glr.sweep.tpu.bundle`.
        wheel: the name of the wheel there.
        install: the lines of bash that install it as venv/bin/python.
        hours: after which a slice deletes itself.
        boot_minutes: for a slice's first report, and between two reports.
        period: s between two looks.
        mount: the lines of bash that mount the slice's disk at the folder `disk`; None: it has none.
    """

    wanted: Slice
    zones: Sequence[str]
    bucket: str
    sweep: str
    code: str
    wheel: str
    install: str
    hours: float
    boot_minutes: float
    period: float
    mount: str | None = None


def startup(terms: Terms, project: str, zone: str, name: str, folder: str) -> dict[str, str]:
    """The scripts of a slice's VM, as its metadata."""
    here = Path(__file__).parent
    values = {"name": name, "zone": zone, "project": project, "folder": folder, "bundle": terms.code}
    text = (here / "startup.sh.jinja").read_text()
    script = (
        Environment(undefined=StrictUndefined, keep_trailing_newline=True)
        .from_string(text)
        .render(
            {key: shlex.quote(value) for key, value in values.items()},
            wheel=terms.wheel,
            install=terms.install.strip(),
            mount=terms.mount,
            seconds=round(terms.hours * 3600) + _MARGIN,
            preempted=PREEMPTED,
        )
    )
    return {"startup-script": script, "shutdown-script": (here / "shutdown.sh").read_text()}
