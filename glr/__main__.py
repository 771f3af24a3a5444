"""`python -m glr` and `glr`: list the commands, or run a command as `python -m glr.COMMAND` does."""

import runpy
import sys
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
    elif name not in known:
        close = get_close_matches(name, known, n=1)
        print(
            f"error: there is no command {name}; {f'did you mean {close[0]}?' if close else 'glr lists them'}",
            file=sys.stderr,
        )
        sys.exit(2)
    else:
        del sys.argv[1]
        # A console script does not search the current folder, which may hold users' own classes. Search this folder
        # last, so that no file in it replaces a library.
        if (folder := str(Path.cwd())) not in sys.path:
            sys.path.append(folder)
        # The command becomes the main module, as with `python -m`: launchers start their jobs by its name.
        runpy.run_module(f"glr.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
