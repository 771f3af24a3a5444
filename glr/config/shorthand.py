"""The overrides of a command line; the shorthands `sweep=NAME` and `experiment=published/09`, written out for Hydra."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

import glr
from glr.errors import GlrError, first_line


def shipped(name: str, package: Path) -> Path:
    """conf/ or sweeps/: the copy inside an installed package, else the folder beside the package in its checkout.

    The parent of an installed package is site-packages, where another package's `conf/` may lie.

    Raises:
        FileNotFoundError: there is neither.
    """
    if (package / name).is_dir():
        return package / name
    project = package.parent / "pyproject.toml"
    if project.is_file() and tomllib.loads(project.read_text()).get("project", {}).get("name") == "glr":
        return package.parent / name
    raise FileNotFoundError(f"{package / name}: this folder of glr is missing; install glr again")


CONF, SWEEPS = (shipped(name, Path(glr.__path__[0])) for name in ("conf", "sweeps"))


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides of a command line in Hydra's grammar.

    Raises:
        GlrError: one of them does not follow it.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise GlrError(f"{first_line(error)}: a setting is given as key=value") from error


def choices(group: str) -> list[str]:
    """The names of a group's choices, those in its folders included; names with a leading underscore are parts."""
    files = (CONF / group).rglob("*.yaml")
    return sorted(str(f.relative_to(CONF / group).with_suffix("")) for f in files if not f.name.startswith("_"))


def unknown_choice(group: str, name: str, known: Iterable[str]) -> GlrError:
    """The sentence for an unknown choice."""
    close = get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    return GlrError(f"{group}={name}: there is no such choice; {hint}Choices: {', '.join(known)}")


def written_out(overrides: list[Override]) -> list[str]:
    """The overrides with `sweep=NAME` as `sweep.name=NAME` and what sweeps/NAME.yaml lists; experiments by full name.

    The command line's own settings replace the sweep's. A job of a sweep has its values on its command line, so this
    does not expand it again.

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
    return lines


def _numbered(name: str) -> str:
    """The experiment with the number `published/09`; any other name unchanged."""
    known = choices("experiment")
    found = [other for other in known if other.startswith(f"{name}_")]
    return found[0] if name not in known and len(found) == 1 else name


def _sweep(name: str) -> dict[str, list]:
    file = SWEEPS / f"{name}.yaml"
    if not file.is_file():
        raise unknown_choice("sweep", name, sorted(f.stem for f in SWEEPS.glob("*.yaml")))
    content = OmegaConf.to_container(OmegaConf.load(file))
    if not isinstance(content, dict) or not all(isinstance(v, list) and v for v in content.values()):
        raise GlrError(f"{file}: expected each setting with the list of its values, as in `head: [arcface, cosface]`")
    return {str(key): value for key, value in content.items()}


def _values(values: list) -> str:
    return ",".join(value if isinstance(value, str) else json.dumps(value) for value in values)
