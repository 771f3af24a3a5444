"""The code of a sweep's jobs, in the bucket once per content: glr as a wheel, its constraints, and the user's own code.

The wheel is written here, without build tools: an installed glr has no pyproject.toml, and the same files are to give
the same bytes, whose digest names their folder.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import re
import sysconfig
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import glr
from glr import storage
from glr.config.installation import CONF, DISTRIBUTION, SWEEPS
from glr.errors import GlrError

CONSTRAINTS, USER = "constraints.txt", "user.zip"
_PRIVATE_KEY = re.compile(rb'-----BEGIN [A-Z ]*PRIVATE KEY-----|"private_key"\s*:')  # as in Google's key files
_OURS = {"glr", "keras", "hydra_plugins"}


@dataclass(frozen=True)
class Bundle:
    """What a machine needs besides Python: file name -> content.

    Attributes:
        files: the wheel, constraints.txt and user.zip.
        wheel: the wheel's name.
    """

    files: Mapping[str, bytes]
    wheel: str

    @property
    def digest(self) -> str:
        """A hash of all names and contents."""
        parts = [hashlib.blake2b(self.files[name]).hexdigest() + name for name in sorted(self.files)]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()

    def store(self, bucket: str) -> str:
        """Write the files below a folder of the bucket unless they are there; return their folder.

        Raises:
            GlrError: the bucket may not be written.
        """
        folder = storage.join(bucket, "bundles", self.digest)
        there = storage.files(folder)
        for name, content in self.files.items():
            if name not in there:
                storage.write(storage.join(folder, name), content, overwrite=True)
        return folder


def bundle(targets: Iterable[str], folders: Sequence[str]) -> Bundle:
    """Collect the code of a sweep's jobs.

    Args:
        targets: the classes that the jobs' configs name; packages of the user's own are taken along.
        folders: config folders (--config-dir); the n-th is `configs/n` in user.zip.

    Raises:
        GlrError: a package is not there.
    """
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    stem = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    wheel = f"{stem}-py3-none-any.whl"
    constraints = CONF.parent / CONSTRAINTS  # a checkout's; an installed glr has none
    files = {
        wheel: _wheel(distribution, stem),
        CONSTRAINTS: constraints.read_bytes() if constraints.is_file() else b"",
        USER: _zipped(_of_user(targets, folders)),
    }
    return Bundle(files, wheel)


def _wheel(distribution: importlib.metadata.Distribution, stem: str) -> bytes:
    package = Path(glr.__path__[0])
    files = _below(package, "glr") | _below(package.parent / "hydra_plugins", "hydra_plugins", "glr_*/**/*")
    files |= _below(CONF, "glr/conf") | _below(SWEEPS, "glr/sweeps")
    about = f"{stem}.dist-info"
    files[f"{about}/METADATA"] = (distribution.read_text("METADATA") or "").encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: glr\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = []
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    record = f"{about}/RECORD"
    return _zipped(files | {record: "".join([*lines, f"{record},,\n"]).encode()})


def _of_user(targets: Iterable[str], folders: Sequence[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    installed = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")]
    for name in sorted({target.partition(".")[0] for target in targets} - _OURS):
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise GlrError(f"_target_={name}...: there is no module {name} here, so none can go to the TPU VMs")
        place = Path(next(iter(spec.submodule_search_locations or [spec.origin])) or "")
        if any(place.is_relative_to(folder) for folder in installed):
            continue  # a library: hydra.launcher.install installs it
        files |= _below(place, name) if place.is_dir() else {f"{name}.py": place.read_bytes()}
    for number, folder in enumerate(folders):
        files |= _below(Path(folder), f"configs/{number}")
    return {name: content for name, content in files.items() if not _PRIVATE_KEY.search(content)}


def _below(folder: Path, place: str, pattern: str = "**/*") -> dict[str, bytes]:
    """The files of a folder that match a pattern, but hidden ones, such as .env: name below `place` -> content."""
    names = {path: path.relative_to(folder) for path in folder.glob(pattern) if path.is_file()}
    return {
        f"{place}/{name.as_posix()}": path.read_bytes()
        for path, name in names.items()
        if not any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive whose bytes depend on names and contents only."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name)  # of 1980
            info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            written.writestr(info, content)
    return archive.getvalue()
