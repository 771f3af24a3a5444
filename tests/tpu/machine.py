"""A TPU VM: a folder, and local processes that run its real startup script.

The scripts run as `bash SCRIPT` with HOME in the folder. PATH begins with `gcloud`, which a VM's image has and a laptop
may lack, and GCE_METADATA_HOST names the VM's own metadata server. Nothing else of this process's environment is seen.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.tpu.metadata import Metadata

# Stands for the installation from a package index: the wheel's files, with this environment's libraries.
INSTALL = f"""
python3 -m zipfile -e "$WHEEL" site
mkdir -p venv/bin
printf '#!/bin/sh\\nPYTHONPATH="%s:$PYTHONPATH" exec {sys.executable} "$@"\\n' "$PWD/site" > venv/bin/python
chmod +x venv/bin/python
"""


class Machine:
    """One VM, switched off at first.

    Args:
        folder: the VM's disk: it outlives reboots, and holds `console.txt`, the output of the scripts.
        metadata: what its metadata server answers; its attributes hold the scripts.
        environment: more variables of its processes, as the addresses of emulators.
    """

    def __init__(self, folder: Path, metadata: Metadata, environment: Mapping[str, str]):
        self.folder, self.metadata = folder, metadata
        (folder / "bin").mkdir(parents=True)
        shim = f'#!/bin/sh\nPYTHONPATH={Path(__file__).parents[2]} exec {sys.executable} -m tests.tpu.gcloud "$@"\n'
        (folder / "bin/gcloud").write_text(shim)
        (folder / "bin/gcloud").chmod(0o755)
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "GCE_METADATA_HOST": metadata.address,
            "GCE_METADATA_IP": metadata.address,
            **environment,
        }
        self._shutdown: subprocess.Popen[bytes] | None = None
        self._told = False
        self._off_at = 0.0  # time.monotonic() when the power goes off

    def boot(self) -> None:
        """Run the startup script."""
        self._run("startup-script")

    def shut_down(self, grace: float) -> None:
        """Run the shutdown script; at its end SIGTERM goes to every process. After `grace` seconds the power goes off.

        So does the image's systemd: `google-startup-scripts.service` has KillMode=process, so that the startup script
        runs on until the last broadcast of SIGTERM, which comes after `google-shutdown-scripts.service`.
        """
        self._shutdown = self._run("shutdown-script")
        self._told = False
        self._off_at = time.monotonic() + grace

    def is_off(self) -> bool:
        """Carry a shutdown on; return whether it is over: nothing runs, or the grace has passed."""
        if time.monotonic() < self._off_at:
            if self._shutdown and self._shutdown.poll() is None:
                return False
            if not self._told:
                self._signal(signal.SIGTERM)
                self._told = True
            if self.processes():
                return False
        self.cut_power()
        return True

    def cut_power(self) -> None:
        """Kill every process of the VM, at once."""
        self._kill()
        self.metadata.close()

    def reboot(self) -> None:
        """Lose all processes, and run the startup script again on the same disk."""
        self._kill()
        self.boot()

    def processes(self) -> list[psutil.Process]:
        """The VM's processes, those in sessions of their own too: they are known by their HOME."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HOME") == str(self.folder):
                    found.append(process)
        return found

    def _kill(self) -> None:
        while processes := self._signal(signal.SIGKILL):
            psutil.wait_procs(processes, timeout=1)

    def _signal(self, number: signal.Signals) -> list[psutil.Process]:
        """Send a signal to every process; return them."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return processes

    def _run(self, name: str) -> subprocess.Popen[bytes] | None:
        script = self.metadata.attributes.get(name)
        if script is None:
            return None
        path = self.folder / name
        path.write_text(script)
        with (self.folder / "console.txt").open("ab") as console:
            return subprocess.Popen(
                ["bash", str(path)],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
