"""The log holds what a job prints, line by line, and the error that ends it; the terminal shows the same as before."""

import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from glr.config.log import logged
from glr.errors import GlrError
from tests.conftest import no_file_beyond


def test_lines_of_both_streams_in_order_without_secrets_and_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "new/log.txt"
    with logged(file) as log:
        print("epoch 1: ", end="", flush=True)
        print("a warning", file=sys.stderr)
        print("loss 0.5")
        sys.stdout.writelines(["http://me:pass", "word@host\x1b[2J\n"])
        print("begun", end="")
        assert file.read_text() == "a warning\nepoch 1: loss 0.5\nhttp://***@host\\x1b[2J\n" == log.text()
    assert file.read_text().endswith("\nbegun\n")
    assert capsys.readouterr().out == "epoch 1: loss 0.5\nhttp://me:password@host\x1b[2J\nbegun"
    print("after")
    assert "after" not in file.read_text()


def test_of_a_progress_bar_only_the_last_state(tmp_path: Path):
    with logged(tmp_path / "log.txt"):
        sys.stderr.write("\r 10%|#  |\r 20%|## |\r        \r")
        print("x\r\ny", file=sys.stderr)
        sys.stderr.write("\r 99%|###|\r         \r")
    assert (tmp_path / "log.txt").read_text() == "x\ny\n"


def test_an_error_is_logged_once_and_a_second_job_is_appended(tmp_path: Path):
    file = tmp_path / "log.txt"
    error = GlrError("no such luck")

    def fail() -> None:
        with logged(file) as log:
            print("begun", end="")
            log.fail(error)
            raise error

    def divide() -> None:
        with logged(file) as log:
            assert log.text() == ""  # only its own lines
            _ = 1 / 0

    with pytest.raises(GlrError):
        fail()
    assert file.read_text() == "begun\nerror: no such luck\n"
    with pytest.raises(ZeroDivisionError):
        divide()
    assert file.read_text().count("no such luck") == 1
    assert file.read_text().endswith("\nZeroDivisionError: division by zero\n")


def test_a_full_disk_never_raises_and_what_was_printed_meanwhile_follows(tmp_path: Path):
    file = tmp_path / "log.txt"
    with redirect_stdout(StringIO()), logged(file):  # pytest's own capture is a file, too
        with no_file_beyond(10):
            for number in range(20):
                print(f"line {number:02d}")
        assert file.stat().st_size <= 10
        print("room")
    assert file.read_text() == "".join(f"line {number:02d}\n" for number in range(20)) + "room\n"


CODE = """
import sys
from pathlib import Path
from glr.config.log import logged
with logged(Path("log.txt")) as log:
    print("one password=abcdef", flush=True)
    Path("copy.txt").write_text(log.text())
"""


def test_output_that_goes_to_the_log_already_is_not_copied(tmp_path: Path):
    """As in a sweep, whose launcher redirects its jobs' output; an earlier start has left a line."""
    (tmp_path / "log.txt").write_text("before\n")
    with (tmp_path / "log.txt").open("ab") as output:
        subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, stdout=output, env=_path(), check=True)
    assert (tmp_path / "log.txt").read_text() == "before\none password=abcdef\n"
    assert (tmp_path / "copy.txt").read_text() == "one password=***\n"


def _path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[2])}
