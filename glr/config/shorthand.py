"""Parse the overrides of a command line; expand the shorthands `sweep=NAME` and `experiment=published/09` for Hydra."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf

from glr.config.installation import SWEEPS
from glr.config.searchpath import choices, given
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


def unknown_choice(group: str, name: str, known: Iterable[str]) -> GlrError:
    """Return the error for an unknown choice; it names the closest choice and all choices."""
    close = get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    return GlrError(f"{group}={name}: there is no such choice; {hint}Choices: {', '.join(known)}")


def written_out(overrides: list[Override]) -> list[str]:
    """The overrides with `sweep=NAME` expanded to `sweep.name=NAME` and the settings of sweeps/NAME.yaml.

    An experiment's number becomes its full name. The command line's own settings replace the sweep's. The command line
    of a sweep's job holds every setting of the sweep, so nothing is added there.

    Raises:
        GlrError: there is no such sweep, or its file is wrong.
    """
    own = {override.get_key_element() for override in overrides}
    path = given([override.input_line or "" for override in overrides])
    lines = []
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if key == "experiment" and (isinstance(value, str) or override.is_choice_sweep()):
            names = [value] if isinstance(value, str) else override.sweep_string_iterator()
            lines.append(f"experiment={','.join(_numbered(str(name), path) for name in names)}")
            continue
        if key in ("sweep", "sweep.name") and isinstance(value, str | None):
            lines.append(f"sweep.name={'null' if value is None else value}")
            settings = {} if value is None else _sweep(value)
            lines += [f"{k}={_values(v)}" for k, v in settings.items() if k not in own]
            continue
        if key in ("sweep", "sweep.name") and override.is_sweep_override():
            raise GlrError(f"{override.input_line}: run one sweep after the other")
        lines.append(override.input_line or "")
    return lines


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


def _values(values: list[object]) -> str:
    return ",".join(in_grammar(value) if isinstance(value, str) else json.dumps(value) for value in values)
