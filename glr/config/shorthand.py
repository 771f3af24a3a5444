"""Parse overrides; expand for Hydra the shorthands `sweep=NAME`, `experiment=published/09`, `init_from=RUN_OR_FILE`."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf

from glr.config.installation import CONF, SWEEPS
from glr.errors import GlrError, first_line


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides in Hydra's grammar.

    Raises:
        GlrError: an override does not follow the grammar.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise GlrError(f"{first_line(error)}: a setting is given as key=value") from error


def in_grammar(text: str) -> str:
    """Write a text in Hydra's grammar: in quotes, unless Hydra reads the same text without them."""
    try:
        if parse([f"key={text}"])[0].value() == text:
            return text
    except GlrError:
        pass
    return QuotedString(text, Quote.single).with_quotes()


def choices(group: str) -> list[str]:
    """The names of a group's choices, including those in subfolders; files with a leading underscore do not count."""
    files = (CONF / group).rglob("*.yaml")
    return sorted(str(f.relative_to(CONF / group).with_suffix("")) for f in files if not f.name.startswith("_"))


def unknown_choice(group: str, name: str, known: Iterable[str]) -> GlrError:
    """Return the error for an unknown choice; it names the closest choice and all choices."""
    close = get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    return GlrError(f"{group}={name}: there is no such choice; {hint}Choices: {', '.join(known)}")


def written_out(overrides: list[Override]) -> list[str]:
    """The overrides with `sweep=NAME` expanded to `sweep.name=NAME` and the settings of sweeps/NAME.yaml.

    An experiment's number becomes its full name; `init_from=TEXT` becomes a mapping of `init_from.run` and
    `init_from.file`. The command line's own settings replace the sweep's. The command line of a sweep's job holds every
    setting of the sweep, so nothing is added there.

    Raises:
        GlrError: there is no such sweep, or its file is wrong.
    """
    given = {override.get_key_element() for override in overrides}
    lines = []
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if key == "experiment" and (isinstance(value, str) or override.is_choice_sweep()):
            names = [value] if isinstance(value, str) else override.sweep_string_iterator()
            lines.append(f"experiment={','.join(_numbered(str(name)) for name in names)}")
            continue
        if key in ("sweep", "sweep.name") and isinstance(value, str | None):
            lines.append(f"sweep.name={'null' if value is None else value}")
            settings = {} if value is None else _sweep(value)
            lines += [f"{k}={_values(v)}" for k, v in settings.items() if k not in given]
            continue
        if key in ("sweep", "sweep.name") and override.is_sweep_override():
            raise GlrError(f"{override.input_line}: run one sweep after the other")
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
    written = list(map(str, override.sweep_string_iterator())) if swept else [line.partition("=")[2]]
    values = [parse([f"init_from={text}"])[0].value() for text in written]
    if not all(isinstance(value, str | int | float | None) for value in values):
        return line  # a mapping of settings, or a mistake that Hydra reports
    mappings = [start(None if value is None else str(value)) for value in values]
    return f"init_from={','.join(map(_mapping, mappings))}"


def _mapping(values: dict[str, str | None]) -> str:
    return "{" + ",".join(f"{k}:{'null' if v is None else in_grammar(v)}" for k, v in values.items()) + "}"


def _numbered(name: str) -> str:
    """Return the full name of the experiment with a number such as `published/09`; return other names unchanged."""
    known = choices("experiment")
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


def _values(values: list[object]) -> str:
    return ",".join(in_grammar(value) if isinstance(value, str) else json.dumps(value) for value in values)
