"""GPUs are dealt out as a fake nvidia-smi lists them."""

from pathlib import Path

import pytest

from glr.sweep.gpus import dealt


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with three GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\n[ "$*" = "--query-gpu=uuid --format=csv,noheader" ] && printf "GPU-a\\nGPU-b\\nGPU-c\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


@pytest.mark.usefixtures("three")
def test_each_job_has_its_share():
    def shares(jobs: int) -> list[str]:
        return [environment["CUDA_VISIBLE_DEVICES"] for environment in dealt(jobs)]

    assert shares(3) == ["GPU-a", "GPU-b", "GPU-c"]
    assert shares(2) == ["GPU-a,GPU-c", "GPU-b"]
    assert shares(5) == ["GPU-a", "GPU-b", "GPU-c", "GPU-a", "GPU-b"]
    assert dealt(1) == [{}]  # all of them


def test_the_users_choice_and_other_machines_are_left_alone(three: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert dealt(2) == [{}, {}]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    three.write_text("#!/bin/sh\necho no driver >&2; exit 9\n")
    assert dealt(2) == [{}, {}]
    three.unlink()
    assert dealt(2) == [{}, {}]
