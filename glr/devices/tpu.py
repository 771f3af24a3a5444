"""Connect to a Cloud TPU, once per process; a failure is explained in one sentence."""

import fcntl
import os
import struct
from pathlib import Path

import tensorflow as tf

from glr.config.installation import pip_install
from glr.errors import GlrError

# libtpu locks this file while a process uses this machine's TPU; TensorFlow only logs that the TPU is taken.
LOCK = Path("/tmp/libtpu_lockfile")
DEVICES = Path("/dev")
_connected: dict[tuple[str, str | None, str | None], tf.distribute.TPUStrategy] = {}


def connected(name: str, zone: str | None, project: str | None) -> tf.distribute.TPUStrategy:
    """Return a TPU's strategy, the same object each time: initialising a TPU again would wipe its memory.

    Args:
        name: `local` on a TPU VM, else the TPU's name, or grpc://HOST:PORT.
        zone, project: those of a TPU given by its name; None: this machine's own.

    Raises:
        GlrError: the TPU cannot be found or used, or this process uses another TPU.
    """
    if (key := (name, zone, project)) in _connected:
        return _connected[key]
    if _connected:
        raise GlrError(
            f"strategy.tpu={name}: this process uses TPU {next(iter(_connected))[0]}; give each job a process of its "
            "own (hydra/launcher=subprocess)"
        )
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name, zone=zone, project=project)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        _connected[key] = tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # raised by TensorFlow, urllib or Google's client libraries
        raise GlrError(f"strategy.tpu={name}: {_reason(str(error), name, zone, project)}") from error
    return _connected[key]


def is_held() -> bool:
    """Return True if this machine has a TPU that another process uses: TensorFlow then does not list it."""
    chips = [path for pattern in ("accel*", "vfio/[0-9]*") for path in DEVICES.glob(pattern)]
    return bool(chips) and _holder() is not None


def _reason(message: str, name: str, zone: str | None, project: str | None) -> str:
    """Return the problem and its remedy, from TensorFlow's message."""
    lines = message.strip().splitlines() or ["no reason was given"]
    holder = _holder() if name == "local" else None
    if holder or "already in use" in message:
        who = f"process {holder}" if holder else "another process"
        return f"the TPU is in use by {who}; one process at a time can use it"
    if "neither a type of a primitive operation" in message or "NodeDef expected inputs" in message:
        return f"the TPU runs another version of TensorFlow than the {tf.__version__} that is installed here"
    if "not yet ready" in message:
        return f"{lines[0]}; see `gcloud compute tpus list`"
    if "Could not lookup TPU metadata" in message:
        place = f"strategy.zone={zone or 'null'}, strategy.project={project or 'null'}"
        why = lines[0].rpartition("Exception: ")[2]
        return f"no TPU of this name could be found in {place}; see `gcloud compute tpus list` ({why})"
    if "ConfigureDistributedTPU" in message or "TPUs not found" in message:
        where = "this machine" if name == "local" else "that machine"
        return f"{where} has no TPU that TensorFlow sees; is it a TPU VM? It needs: {pip_install('tpu')}"
    return f"it could not be reached ({lines[0]})"


def _holder() -> int | None:
    """Return the id of another process that holds this machine's TPU, or None."""
    try:
        with LOCK.open("rb") as file:
            asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_, process = struct.unpack("hhqqi", fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    return None if kind == fcntl.F_UNLCK else process
