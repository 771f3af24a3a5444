"""What TensorFlow says while it is imported is shown only where the import fails."""

import builtins
import os
from typing import Any

import pytest

from glr.devices.startup import import_tensorflow


def chatter(patch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Let the import of Keras write to the descriptor of stderr, as TensorFlow's libraries do, and maybe fail."""
    plain = builtins.__import__

    def imported(name: str, *arguments: Any) -> Any:
        if name == "keras":
            os.write(2, b"cuda is missing\n")
            if error:
                raise error
        return plain(name, *arguments)

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
