"""Tab completion in bash and zsh, for `glr COMMAND ...` and `python -m glr.COMMAND ...`.

Hydra's own script completes only programs and `python FILE`. Its choices are those of Hydra's query, and the names of
experiments in subfolders and of sweeps, which Hydra does not know.
"""

import re
from collections.abc import Iterable
from string import Template

from glr.config.installation import SWEEPS
from glr.config.searchpath import choices
from glr.errors import GlrError

# Both scripts ask `glr -sc query=bash` for the words that may replace the last word of $COMP_LINE.
_BASH = Template(r"""_glr() {
    local IFS=$$'\n' line="$${COMP_LINE:0:COMP_POINT}" program=("$$1") before
    COMPREPLY=()
    if [[ $$1 == *python* ]]; then
        [[ $$line == *" -m glr."* ]] || return 0
        program+=(-m glr)
    fi
    COMPREPLY=($$(COMP_LINE="$$line" "$${program[@]}" -sc query=bash 2>/dev/null))
    before="$${line##* }"  # bash replaces only the part of the word that follows its =
    before="$${before%"$${before##*=}"}"
    [[ $$COMP_WORDBREAKS == *=* ]] && COMPREPLY=("$${COMPREPLY[@]#"$$before"}")
    return 0
}
complete -o default -o nospace -F _glr $programs
""")
_ZSH = Template(r"""_glr() {
    local -a program choices
    program=($$words[1])
    if [[ $$words[1] == *python* ]]; then
        [[ "$$words[2] $$words[3]" == "-m glr."* ]] || { $$_glr_before "$$@"; return }
        program+=(-m glr)
    fi
    choices=($${(f)"$$(COMP_LINE="$${(j: :)words[1,CURRENT-1]} $$PREFIX" $$program -sc query=bash 2>/dev/null)"})
    (( $$#choices )) && compadd -Q -S '' -- $$choices && return
    compset -P '*='
    _files
}
(( $$+functions[compdef] )) || { autoload -Uz compinit && compinit }
: $${_glr_before:=$${_comps[python]:-_default}}
compdef _glr $programs
""")
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH}
_LINE = re.compile(r"\S*(?:python\S*\s+-m\s+(?P<module>glr\.)|glr\s+)(?P<name>\S*)(?P<rest>\s.*)?", re.DOTALL)
_WORD = re.compile(r"[\w./=,+:@%~\-]+")  # words that no shell needs quoted


def script(argument: str) -> str | None:
    """The script that a shell evaluates, for `install=bash` or `install=zsh`; None for a query.

    Raises:
        GlrError: the argument of --shell-completion is neither.
    """
    action, _, shell = argument.partition("=")
    if action not in ("install", "query") or shell not in _SCRIPTS:
        raise GlrError(f"--shell-completion {argument}: expected install=bash or install=zsh")
    return _SCRIPTS[shell].substitute(programs="glr python python3") if action == "install" else None


def asked(line: str, commands: Iterable[str]) -> tuple[str, str] | list[str]:
    """Read a command line of glr up to the cursor.

    Returns:
        The command's name and the rest of the line; while the name is incomplete, the words that complete it.
    """
    match = _LINE.fullmatch(line.lstrip())
    if match is None:
        return []
    if match["rest"] is None:
        return [f"{match['module'] or ''}{name}" for name in commands if name.startswith(match["name"])]
    return match["name"], match["rest"].lstrip()


def completed(line: str, hydras: Iterable[str], groups: Iterable[str]) -> list[str]:
    """The words that may replace the last word of a command line.

    Args:
        line: the settings typed so far.
        hydras: the words that Hydra's query suggests.
        groups: the command's groups.
    """
    word = "" if not line or line[-1].isspace() else line.split()[-1]
    words = {each for each in hydras if not each.startswith("experiment/")}  # another group than experiment
    if "experiment" in groups:
        words |= {"experiment=", "sweep="}
    if "=" in word:
        words |= {f"experiment={name}" for name in choices("experiment")}
        words |= {f"sweep={file.stem}" for file in SWEEPS.glob("*.yaml")}
    return sorted(each for each in words if each.startswith(word) and _WORD.fullmatch(each))
