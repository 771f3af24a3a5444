"""Names and places from elsewhere never lead a command out of its folder, and what it overwrites keeps its kind."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from glr import storage
from glr.config.installation import CONF
from glr.config.names import as_file_name
from glr.errors import GlrError
from glr.storage.lock import acquire
from tests.conftest import here
from tests.gcs.fixture import Gcs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../../../tmp/X", "__.._.._.._tmp_X"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        (".hidden", "_hidden"),
        ("a/b\\c", "a_b_c"),
        ("a\nb\x1b[31m\x00", "a_b__31m_"),
        ("n" * 1000, "n" * 150),
        ("漢" * 150, "漢" * 50),  # file systems count bytes
        ("densenet201-adacos_semi", "densenet201-adacos_semi"),
        ("one + two, k=5", "one_+_two,_k=5"),
    ],
    ids=str,
)
def test_a_name_is_one_part_of_a_path(name: str, expected: str):
    assert as_file_name(name) == expected
    assert Path("folder", expected).resolve().parent == Path("folder").resolve()


def test_a_link_that_is_overwritten_stays_a_link(tmp_path: Path):
    (tmp_path / "behind.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to("behind.txt")
    storage.write(tmp_path / "link.txt", b"after", overwrite=True)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "behind.txt").read_text() == "after"


def test_a_link_to_nothing_is_filled(tmp_path: Path):
    (tmp_path / "link.txt").symlink_to("behind.txt")
    storage.write(tmp_path / "link.txt", b"after", overwrite=True)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "behind.txt").read_text() == "after"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_what_is_overwritten_keeps_its_permissions(tmp_path: Path, mode: int):
    (tmp_path / "x").touch()
    (tmp_path / "x").chmod(mode)
    storage.write(tmp_path / "x", b"after", overwrite=True)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_a_pipe_gets_the_bytes_and_stays(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    storage.write(tmp_path / "pipe", b"after", overwrite=True)
    reader.join(10)
    assert received == [b"after"]
    assert (tmp_path / "pipe").is_fifo()


def test_an_output_that_is_a_pipe_of_the_shell(tmp_path: Path):
    """The shell makes one for `glr score output=/dev/stdout | cat`."""
    reader, writer = os.pipe()
    (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{writer}")
    storage.write(tmp_path / "stdout", b"after", overwrite=True)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"after"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a device")
def test_tables_that_are_written_to_a_device(recorded: Path, tmp_path: Path):
    device = tmp_path / "device"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert here("compare", f"output={device}", cwd=recorded) == f"{device} written\n"
    assert device.is_char_device()


def test_tables_that_are_written_to_a_pipe(recorded: Path, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    assert here("compare", f"output={pipe}", cwd=recorded) == f"{pipe} written\n"
    reader.join(10)
    assert "### Single Model" in received[0]


def test_a_study_whose_name_leads_out_of_the_outputs():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["study=../../../evil"], return_hydra_config=True)
    assert config.hydra.sweep.dir.startswith("mlruns/outputs/__.._.._evil/")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_lock_that_is_no_file(tmp_path: Path, kind: str):
    """In a shared folder another user can replace a lock by a link to one of this user's files."""
    (tmp_path / "thesis.tex").write_text("years of work")
    path = tmp_path / "x.lock"
    {"link": lambda: path.symlink_to("thesis.tex"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(OSError, match=r"symbolic link|not a regular file|Is a directory"):
        acquire(path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_device_stays_a_device():
    """A pseudo-terminal is a device that every user can make."""
    ours, theirs = os.openpty()
    device = Path(os.ttyname(theirs))
    storage.write(device, b"after", overwrite=True)
    assert device.is_char_device()
    assert os.read(ours, 100) == b"after"
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("name", ["a//x", "./x", "a/./x", "/x"])
def test_an_object_whose_name_leads_out_of_its_folder(gcs: Gcs, gcs_folder: str, name: str):
    assert gcs is not None
    storage.write(f"{gcs_folder}/{name}", b"x")
    with pytest.raises(GlrError, match="whose name is no path below it; delete or rename it"):
        storage.files(gcs_folder)
    storage.delete(f"{gcs_folder}/{name}")  # other tests list the whole bucket
