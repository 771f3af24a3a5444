"""Assign NVIDIA GPUs to the jobs that run at the same time."""

import os
import subprocess


def dealt(jobs: int) -> list[dict[str, str]]:
    """The environments of `jobs` simultaneous jobs, each with the job's GPUs; if GPUs are too few, jobs share them.

    The environments are empty for a single job, without GPUs, or if the user has set CUDA_VISIBLE_DEVICES.
    """
    try:
        line = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        gpus = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    except (OSError, subprocess.SubprocessError):
        gpus = []
    if jobs == 1 or not gpus or "CUDA_VISIBLE_DEVICES" in os.environ:
        return [{}] * jobs
    return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[n % len(gpus) :: jobs])} for n in range(jobs)]
