"""The code, the machine and the command line of this process, as a run's tags."""

import getpass
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from glr.config.jobs import given

_LIBRARIES = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "keras", "numpy", "mlflow", "hydra-core", "glr")
_CODE = ("glr", "conf", "sweeps", "hydra_plugins")
CODE_VARIABLE = "GLR_CODE"  # holds the tags of `code` where the code has no Git repository, as JSON


def environment() -> dict[str, str]:
    """The tags for the Git commit, the versions of libraries and Python, platform, command and overrides."""
    tags = {"python": platform.python_version(), "platform": platform.platform(), "overrides": " ".join(_overrides())}
    tags["command"] = command_line()
    for library in _LIBRARIES:
        try:
            tags[f"version.{library}"] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return tags | code()


def code() -> dict[str, str]:
    """The tags for the Git commit, and for changes since; {} if the commit is unknown."""
    if (given := os.environ.get(CODE_VARIABLE)) is not None:
        return json.loads(given)
    root = Path(__file__).parents[2]
    if (commit := _git(root, "rev-parse", "HEAD")) is None:
        return {}
    changes = _git(root, "status", "--porcelain", "--", *_CODE)  # includes untracked files, such as a new head
    return {"mlflow.source.git.commit": commit, "git.uncommitted_changes": str(bool(changes))}


def command_line() -> str:
    """The command line of this process, for a shell."""
    return shlex.join(["python", "-m", module(), *_overrides()])


def _overrides() -> list[str]:
    return given(HydraConfig.get()) if HydraConfig.initialized() else sys.argv[1:]


def user() -> str:
    """The name of the user who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        return str(os.getuid())


def module() -> str:
    """The command's module; Hydra's config names it, since `__main__` is another module in a launcher's worker."""
    if HydraConfig.initialized():
        return f"glr.{HydraConfig.get().job.config_name}"
    spec = sys.modules["__main__"].__spec__
    return spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).name


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
