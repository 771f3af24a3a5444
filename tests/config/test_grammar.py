"""Text as people type it reaches Hydra's own parser unchanged."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from glr.config.grammar import as_overrides, as_typed, in_grammar, parse
from glr.errors import GlrError


def read(override: str) -> list[object]:
    """The values that Hydra reads from an override."""
    parsed = OverridesParser.create().parse_override(override)
    return list(parsed.sweep_iterator()) if parsed.is_sweep_override() else [parsed.value()]


@pytest.mark.parametrize(
    "text",
    [
        *["my photos", "a#b", "ü", "pic (1)", "a(b)", "it's", "a'b\"c", "a!b", "a&b", "a;b", "a{b}", "a^b", "C:\\x"],
        *["Bücher/2020 (1)", "/data/images (copy)/été", "Müller ${seed}", "x\\'", "f(x, y)", "日本"],
    ],
)
def test_plain_text_is_read_as_it_is_typed(text: str):
    (override,) = as_typed([f"data.source.path={text}"])
    assert read(override) == [text]
    assert as_typed([override]) == [override]


def test_commas_still_separate_the_values_of_a_sweep_and_the_items_of_a_list():
    def values(override: str) -> list[object]:
        return [getattr(value, "text", value) for value in read(*[as_typed([override])[0]])]

    assert values("study=é,plain,a(b,c)") == ["é", "plain", "a(b,c)"]
    assert read(as_typed(["members=[it's, run two,é]"])[0]) == [["it's", "run two", "é"]]
    assert values("+name=ü") == ["ü"]
    assert values("name='c,d',é") == ["c,d", "é"]


@pytest.mark.parametrize(
    "override",
    ["seed=1,2", "name='a,b'", "head={a: 1}", "seed=range(3)", "~train", "highlights=[head]", "k=", "a/b@c=d"],
)
def test_what_hydra_reads_stays_as_it_is(override: str):
    assert as_typed([override]) == [override]


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me (1)")
    assert read(as_typed(["data.source.path=~/photos"])[0]) == ["/home/me (1)/photos"]
    assert read(as_typed(["init_from=~"])[0]) == ["/home/me (1)"]
    assert read(as_typed(["name=~nobody-has-this-name"])[0]) == ["~nobody-has-this-name"]
    assert str(Path("~").expanduser()) == "/home/me (1)"


@pytest.mark.parametrize("override", ["name='a", "name=choice(é)", "seed=range(é)", "head={é"])
def test_the_sentence_shows_how_to_quote(override: str):
    assert as_typed([override]) == [override]
    with pytest.raises(GlrError, match=f"^{re.escape(override)}: Hydra cannot read this value") as raised:
        parse([override])
    (shown,) = shlex.split(str(raised.value).split("quote it: ")[1])
    assert read(shown) == [override.partition("=")[2]]


def test_what_is_no_setting_is_said():
    with pytest.raises(GlrError, match=r"^my photos: a setting is given as key=value$"):
        parse(["seed=1", "my photos"])


def test_values_of_files_are_written_for_hydra():
    assert [in_grammar(value) for value in (1.5, None, True, [1, 2], "x", "1", "a b,c")] == [
        *["1.5", "null", "true", "[1, 2]", "x", "'1'", "'a b,c'"]
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a,b", "a,b"),
        ("it's", "it's"),
        (None, None),
        (True, True),
        ([1, "a]", None, [2.5]], [1, "a]", None, [2.5]]),
        ({"head": "arcface", "margin": 0.1}, {"head": "arcface", "margin": 0.1}),
        (Path("a b/c"), "a b/c"),
        (np.float64(0.1), 0.1),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (float("inf"), float("inf")),
        (1e-7, 1e-7),
    ],
)
def test_a_value_from_python_is_read_as_it_was(value: object, expected: object):
    (override,) = as_overrides({"key": value})
    assert parse([override])[0].value() == expected
