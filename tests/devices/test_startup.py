"""TensorFlow is imported silently, unless the import fails, and without libraries that glr does not use."""

import builtins
import gc
import importlib
import io
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from glr.devices.startup import hidden, import_tensorflow
from tests.processes.forks import Forks


def chatter(patch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Let the import of Keras write to the descriptor of stderr, as TensorFlow's libraries do, and maybe fail."""
    plain = builtins.__import__

    def imported(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "keras":
            os.write(2, b"cuda is missing\n")
            if error:
                raise error
        return plain(name, *arguments, **more)

    patch.setattr(builtins, "__import__", imported)


def test_chatter_is_dropped_and_stderr_works_again(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture):
    with monkeypatch.context() as patch:
        chatter(patch, None)
        import_tensorflow()
    os.write(2, b"a message\n")
    assert capfd.readouterr().err == "a message\n"


def test_a_failed_import_shows_it(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture):
    with monkeypatch.context() as patch:
        chatter(patch, ImportError("no library"))
        with pytest.raises(ImportError, match="no library"):
            import_tensorflow()
    assert capfd.readouterr().err == "cuda is missing\n"


@pytest.mark.parametrize("error", [None, ImportError("no library")])
def test_no_garbage_is_collected_meanwhile_and_what_is_imported_is_skipped_later(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
):
    collecting, plain = [], builtins.__import__

    def imported(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "keras":
            collecting.append(gc.isenabled())
            if error:
                raise error
        return plain(name, *arguments, **more)

    gc.unfreeze()
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", imported)
        with pytest.raises(ImportError) if error else nullcontext():
            import_tensorflow()
    assert (collecting, gc.isenabled(), gc.get_freeze_count() > 0) == ([False], True, error is None)
    gc.freeze()


def test_a_library_is_hidden_for_a_while_unless_it_is_imported_already(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    before = sys.modules["os"]
    with hidden("wave", "os"):
        with pytest.raises(ImportError):
            importlib.import_module("wave")
        assert importlib.import_module("os") is before
    assert importlib.import_module("wave").open


def test_keras_and_tensorflow_lite_bring_no_other_libraries(processes: Forks, tmp_path: Path):
    code = "import sys; print({'jax', 'sklearn'} & set(sys.modules)); import sklearn.base; print(sklearn.base.__name__)"
    assert processes.output(code, command="-c", cwd=tmp_path).stdout == "set()\nsklearn.base\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_why_it_waits(terminal: bool, monkeypatch: pytest.MonkeyPatch):
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", written)
    import_tensorflow()
    assert written.getvalue() == ("starting TensorFlow\n" if terminal else "")
