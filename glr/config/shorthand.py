"""Expand the shorthands of a command line: `sweep=NAME`, `experiment=published/09`, `init_from=RUN`, `glob(...)`."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra.core.override_parser.types import Glob, Override
from omegaconf import OmegaConf

from glr.config.grammar import in_grammar, parse, values_of
from glr.config.installation import SWEEPS
from glr.config.searchpath import choices, given
from glr.errors import GlrError

_DICTIONARIES = re.compile(r"hydra\.sweeper\.(params|search_space)\b")


def unknown_choice(group: str, name: str, known: Iterable[str]) -> GlrError:
    """Return the error for an unknown choice; it names the closest choice and all choices."""
    close = get_close_matches(name, known := list(known), n=1)
    hint = f"; did you mean {group}={close[0]}?" if close else "."
    return GlrError(f"{group}={name}: there is no such choice{hint} Choices: {', '.join(known)}")


def written_out(overrides: list[Override]) -> list[str]:
    """The overrides with `sweep=NAME` expanded to `sweep.name=NAME` and the settings of sweeps/NAME.yaml.

    An experiment's number becomes its full name, `glob(...)` lists the choices that match, and `init_from=TEXT` becomes
    a mapping of `init_from.run` and `init_from.file`. The command line's own settings replace the sweep's. The command
    line of a sweep's job holds every setting of the sweep, so nothing is added there.

    Raises:
        GlrError: there is no such sweep, its file is wrong, or no choice matches.
    """
    own = {override.get_key_element() for override in overrides}
    path = given([override.input_line or "" for override in overrides])
    lines: list[str] = []
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if key in ("sweep", "sweep.name") and isinstance(value, str | None):
            lines.append(f"sweep.name={'null' if value is None else value}")
            settings = {} if value is None else _sweep(value)
            lines += [f"{k}={_values(v)}" for k, v in settings.items() if k not in own]
        elif key in ("sweep", "sweep.name") and override.is_sweep_override():
            raise GlrError(f"{override.input_line}: run one sweep after the other")
        elif isinstance(value, Glob):
            lines.append(f"{key}=choice({_values(_matching(override, value, path))})")
        elif key.lstrip("+") == "experiment" and value is not None:
            lines.append(f"experiment={_experiments(override, path)}")
        elif _DICTIONARIES.match(key):
            lines.append(f"++{override.input_line}")  # Hydra adds keys to a dictionary only after ++
        else:
            lines.append(override.input_line or "")
    return [_start_written_out(line) if line.startswith("init_from=") else line for line in lines]


def start(text: str | None) -> dict[str, str | None]:
    """The settings of `init_from` that a text stands for: an existing file, an object in a bucket, or a run."""
    is_file = text is not None and (text.startswith("gs:") or Path(text).is_file())
    return {"run": None if is_file else text, "file": text if is_file else None}


def _start_written_out(line: str) -> str:
    """Write `init_from=TEXT`, or a sweep over texts, as mappings."""
    override = parse([line])[0]
    swept = override.is_choice_sweep()
    written = values_of(override) if swept else [line.partition("=")[2]]
    values = [parse([f"init_from={text}"])[0].value() for text in written]
    if not all(isinstance(value, str | int | float | None) for value in values):
        return line  # a mapping of settings, or a mistake that Hydra reports
    mappings = [start(None if value is None else str(value)) for value in values]
    return f"init_from={','.join(map(_mapping, mappings))}"


def _mapping(values: dict[str, str | None]) -> str:
    return "{" + ",".join(f"{k}:{'null' if v is None else in_grammar(v)}" for k, v in values.items()) + "}"


def _matching(override: Override, pattern: Glob, path: Sequence[str]) -> list[str]:
    """The choices that `glob(...)` names; Hydra's own search leaves out those in subfolders."""
    names = pattern.filter(choices(override.key_or_group, path))
    if not names:
        raise GlrError(f"{override.input_line}: no choice of {override.key_or_group} matches")
    return names


def _experiments(override: Override, path: Sequence[str]) -> str:
    """The value of `experiment=` or `+experiment=`, with full names.

    A `+` adds a choice to a group without one, so users of Hydra type it, but `experiment: null` is in the defaults.
    """
    value = override.value()
    if isinstance(value, list):
        return f"[{_values([_numbered(str(name), path) for name in value])}]"
    names = list(override.sweep_string_iterator()) if override.is_sweep_override() else [str(value)]
    return _values([_numbered(name, path) for name in names])


def _numbered(name: str, path: Sequence[str]) -> str:
    """Return the full name of the experiment with a number such as `published/09`; return other names unchanged."""
    known = choices("experiment", path)
    matches = [other for other in known if other.startswith(f"{name}_")]
    return matches[0] if name not in known and len(matches) == 1 else name


def _sweep(name: str) -> dict[str, list[object]]:
    file = SWEEPS / f"{name}.yaml"
    if not file.is_file():
        raise unknown_choice("sweep", name, sorted(f.stem for f in SWEEPS.glob("*.yaml")))
    content = OmegaConf.to_container(OmegaConf.load(file))
    if not isinstance(content, dict) or not all(isinstance(v, list) and v for v in content.values()):
        raise GlrError(f"{file}: expected each setting with the list of its values, as in `head: [arcface, cosface]`")
    return {str(key): value for key, value in content.items()}


def _values(values: Iterable[object]) -> str:
    return ",".join(map(in_grammar, values))
