"""The documentation is true: its commands have no mistakes, the cheap ones print what it shows, its examples work.

Blocks under `<!-- run -->` are run, in order and in one folder for each page; `...` stands for any text.
"""

import doctest
import re
import shlex
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from glr.config.check import check_command_line
from glr.config.grammar import as_typed
from glr.errors import GlrError
from tests.conftest import ROOT
from tests.model.head.conftest import problem_of
from tests.processes.forks import Forks, forks

__all__ = ["problem_of"]  # a fixture of the example's test

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Not checked: a choice that its page has the reader add, an extra that is not installed, and the sweep of
# 18 runs, which tests/config/test_shorthand.py composes.
ELSEWHERE = ("head=softer", "--config-dir choices", "mypackage", "launcher=ray", "=spot", "sweep=published", "...")


def commands(page: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield (command, output, True if to be run) for each command in a page's console blocks; joins long lines."""
    blocks = re.finditer(r"(<!-- run -->\n)?^( *)```console\n(.*?)^ *```$", page.read_text(), re.M | re.S)
    for run, indent, block in (match.groups() for match in blocks):
        text = re.sub(rf"^{indent}", "", block, flags=re.M).replace("\\\n", " ")
        for command, output in re.findall(r"^(?:\w)?\$ (.*)\n((?:(?!\w?\$ ).*\n)*)", text, re.M):
            yield re.sub(r"\s+#.*", "", command), output, bool(run)


def words(command: str) -> tuple[str, list[str]] | None:
    """The name and the arguments of a command of glr; None for another program."""
    parts = shlex.split(command)
    if parts[:2] == ["python", "-m"] and parts[2].split(".")[0] == "glr":
        return parts[2].partition(".")[2] or "glr.__main__", parts[3:]
    return (parts[1], parts[2:]) if parts[0] == "glr" and len(parts) > 1 else None


CHECKED = {
    (page.relative_to(ROOT).as_posix(), command): output
    for page in PAGES
    for command, output, _ in commands(page)
    if words(command) and not any(text in command for text in ELSEWHERE)
}


@pytest.mark.parametrize(("page", "command"), CHECKED)
def test_a_command_that_is_shown_has_no_mistake_but_the_one_that_is_shown(page: str, command: str):
    name, arguments = words(command) or ("", [])
    if name == "glr.__main__":
        return
    overrides = [each for each in arguments if each not in ("-m", "--help")]
    shown = re.search(r"^error: (.*)", CHECKED[page, command], re.M)
    mistake = None
    try:
        check_command_line(name, as_typed(overrides), "-m" in arguments, required="--help" not in arguments)
    except GlrError as error:
        mistake = str(error)
    assert mistake in (None, shown and shown[1])  # other errors come after this check


@pytest.fixture(scope="module")
def light() -> Iterator[Forks]:
    with forks(without=["tensorflow", "keras"]) as opened:
        yield opened


def runnable(page: Path) -> list[tuple[str, str]]:
    return [(command, output) for command, output, run in commands(page) if run]


@pytest.mark.parametrize("page", filter(runnable, PAGES), ids=lambda page: page.stem)
def test_a_command_prints_what_its_page_shows(light: Forks, page: Path, work: Path):
    shutil.copy(ROOT / "README.md", work)
    for command, output in runnable(page):
        name, arguments = words(command) or ("", [])
        done = light.output(*arguments, command=name, cwd=work)
        assert doctest.OutputChecker().check_output(output, done.stdout + done.stderr, doctest.ELLIPSIS), (
            f"{command}\n{done.stdout}{done.stderr}"
        )


def examples(page: str) -> list[str]:
    """The Python blocks of a page on extending: the class, and its test."""
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", (ROOT / "docs/extending" / page).read_text(), re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in blocks]


def run_example(page: str, module: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Run a page's test with the page's class in the module that the page names; return what the test defines."""
    code, test = examples(page)
    made = types.ModuleType(module)
    package = module.rpartition(".")[0]
    if package == "mypackage":
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    monkeypatch.setitem(sys.modules, module, made)
    exec(code, vars(made))
    names: dict = {}
    exec(test, names)
    return names


def test_the_head_of_the_documentation(problem_of, monkeypatch: pytest.MonkeyPatch):
    run_example("head.md", "glr.model.head.softer", monkeypatch)["test_loss"](problem_of)


def test_the_backbone_of_the_documentation(monkeypatch: pytest.MonkeyPatch):
    run_example("backbone.md", "mypackage.backbones", monkeypatch)["test_pyramid"]()


def test_the_data_source_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_example("data-source.md", "mypackage.sources", monkeypatch)["test_json_source"](tmp_path)
