"""The words that complete a command line, and the scripts that a shell evaluates."""

import shutil
import subprocess

import pytest

from glr.config.completion import asked, completed, script
from glr.errors import GlrError

COMMANDS = ["evaluate", "export", "train"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("glr ", COMMANDS),
        ("glr e", ["evaluate", "export"]),
        ("/opt/bin/glr train", ["train"]),
        ("python -m glr.t", ["glr.train"]),
        ("glr train ", ("train", "")),
        ("glr train head=arc", ("train", "head=arc")),
        (".venv/bin/python3.12  -m glr.export run=x ", ("export", "run=x ")),
        ("python file.py x", []),
    ],
)
def test_what_a_line_asks_for(line: str, answer: object):
    assert asked(line, COMMANDS) == answer


def test_names_that_hydra_does_not_know_are_added():
    groups = ["head", "experiment"]
    assert completed("seed=1 experiment=published/09", [], groups) == ["experiment=published/09_xception"]
    assert completed("sweep=hea", ["sweep="], groups) == ["sweep=heads"]
    assert completed("exp", ["experiment/"], groups) == ["experiment="]
    assert completed("s", ["seed=", "study=", "model."], ["head"]) == ["seed=", "study="]
    assert completed("name=", ["name=(odd $x)", "name=a"], groups) == ["name=a"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("breaks", "words"), [(" =", ["<arcface>", "<cosface>"]), (" ", ["<head=arcface>", "<head=cosface>"])]
)
def test_bash_gets_the_part_of_the_word_that_it_replaces(breaks: str, words: list[str]):
    """A function `glr` stands for the command: it answers only if it is asked as the script must ask."""
    program = f"""{script("install=bash")}
    glr() {{ [[ "$COMP_LINE|$1 $2" == "glr train head=|-sc query=bash" ]] && printf 'head=%s\\n' arcface cosface; }}
    COMP_WORDBREAKS="{breaks}" COMP_LINE="glr train head=x" COMP_POINT=15
    _glr glr; printf '<%s>\\n' "${{COMPREPLY[@]}}"
    COMP_LINE="python x.py a" COMP_POINT=13; _glr python; echo "${{#COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([*words, "0"], "")


def test_other_shells_are_refused():
    assert script("query=zsh") is None
    assert "compdef _glr glr python python3\n" in (script("install=zsh") or "")
    for argument in ("install=fish", "uninstall=bash", ""):
        with pytest.raises(GlrError, match="expected install=bash or install=zsh"):
            script(argument)
