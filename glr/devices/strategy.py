"""The devices of a run: each choice of the group is a function that returns a `tf.distribute.Strategy`."""

import signal
import threading
from collections.abc import Sequence

import tensorflow as tf

from glr.config.installation import pip_install
from glr.devices.tpu import connected, is_held
from glr.devices.workers import from_environment
from glr.errors import GlrError, first_line


def auto() -> tf.distribute.Strategy:
    """Use a local TPU if there is one, else all GPUs, else the CPU."""
    if tf.config.list_physical_devices("TPU") or is_held():
        return tpu("local", None, None)  # fails if the TPU is in use, rather than train for weeks on the CPU
    return gpu() if tf.config.list_physical_devices("GPU") else cpu(1)


def cpu(replicas: int) -> tf.distribute.Strategy:
    """The CPU, split into one logical device per replica.

    Raises:
        ValueError: TensorFlow has already started with another number of devices.
    """
    _without_graph_optimizer()
    if replicas == 1:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    device = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * replicas)
    except RuntimeError as error:
        raise ValueError(f"strategy.replicas={replicas}: {error}") from error
    return tf.distribute.MirroredStrategy([f"/cpu:{i}" for i in range(replicas)])


def gpu() -> tf.distribute.Strategy:
    """All GPUs of this machine.

    Raises:
        GlrError: TensorFlow sees no GPU.
    """
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        raise GlrError(f"strategy=gpu: TensorFlow sees no GPU; does `nvidia-smi` list one? CUDA: {pip_install('gpu')}")
    _growing(devices)
    return tf.distribute.MirroredStrategy() if len(devices) > 1 else tf.distribute.OneDeviceStrategy("/gpu:0")


def tpu(tpu: str, zone: str | None, project: str | None) -> tf.distribute.Strategy:
    """A Cloud TPU: `local` on a TPU VM, else by name (with its zone and project) or as grpc://HOST:8470.

    Raises:
        GlrError: the TPU cannot be found or used.
    """
    return connected(tpu, zone, project)


def multi_worker() -> tf.distribute.Strategy:
    """All workers in TF_CONFIG, each with all its GPUs or its CPU; waits until all have started.

    Raises:
        GlrError: TF_CONFIG is missing or invalid, or the workers cannot be reached.
    """
    from_environment()
    gpus = tf.config.list_physical_devices("GPU")
    _growing(gpus) if gpus else _without_graph_optimizer()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        reason = first_line(error)
        raise GlrError(f"strategy=multi_worker: the workers of TF_CONFIG cannot connect ({reason})") from error
    if threading.current_thread() is threading.main_thread():
        # TensorFlow has replaced Python's handler with a handler that does not call it: restore Python's.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def _without_graph_optimizer() -> None:
    """Turn Grappler off: it costs 10 s at the first step of DenseNet201 and gains nothing on a CPU."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _growing(gpus: Sequence[object]) -> None:
    """Let TensorFlow allocate the GPUs' memory as needed, not all at once."""
    for device in gpus:
        tf.config.experimental.set_memory_growth(device, True)
