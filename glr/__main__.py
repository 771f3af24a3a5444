"""`python -m glr` and `glr`: list the commands, or run a command as `python -m glr.COMMAND` does."""

import os
import runpy
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def commands() -> dict[str, str]:
    """Each command with the first line of its docstring, read from the source, since imports would take seconds."""
    commands = {}
    for file in sorted(Path(__file__).parent.glob("*.py")) + sorted(Path(__file__).parent.glob("*/__main__.py")):
        name = file.parent.name if file.name == "__main__.py" else file.stem
        with file.open() as opened:
            title, _, text = opened.readline().strip('"\n').partition("`: ")
        if title == f"`python -m glr.{name}":
            commands[name] = text
    return dict(sorted(commands.items()))


def main() -> None:
    """Print the help, or run the command that the command line names."""
    known, name = commands(), sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        width = max(map(len, known))
        print("glr COMMAND key=value ...    or    python -m glr.COMMAND key=value ...\n")
        print("\n".join(f"  {command:{width}}  {text}" for command, text in known.items()))
        print("\nglr COMMAND --help lists the settings of a command.")
    elif name in ("-sc", "--shell-completion"):
        _complete(sys.argv[2:], known)
    elif name not in known:
        close = get_close_matches(name, known, n=1)
        print(
            f"error: there is no command {name}; {f'did you mean {close[0]}?' if close else 'glr lists them'}",
            file=sys.stderr,
        )
        sys.exit(2)
    else:
        del sys.argv[1]
        _run(name)


def _run(name: str) -> None:
    """Run a command with the arguments that follow its name."""
    # A console script does not search the current folder, which may hold users' own classes. Search this folder
    # last, so that no file in it replaces a library.
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    # The command becomes the main module, as with `python -m`: launchers start their jobs by its name.
    runpy.run_module(f"glr.{name}", run_name="__main__", alter_sys=True)


def _complete(arguments: list[str], known: Iterable[str]) -> None:
    """Print a shell's completion script (`install=bash`), or the words that complete $COMP_LINE (`query=bash`)."""
    from glr.config import completion  # imports Hydra
    from glr.errors import GlrError

    try:
        text = completion.script(" ".join(arguments))
    except GlrError as error:
        sys.exit(f"error: {error}")
    if text is not None:
        print(text, end="")
        return
    asked = completion.asked(os.environ.get("COMP_LINE", ""), known)
    if isinstance(asked, list):
        print("\n".join(asked))
    elif asked[0] in known:
        os.environ["COMP_LINE"] = f"glr {asked[1]}"
        sys.argv[1:] = ["-sc", "query=bash"]
        _run(asked[0])


if __name__ == "__main__":
    main()
