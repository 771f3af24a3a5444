"""A TPU's errors, as TensorFlow and Google's client word them, become one sentence each; it is initialised once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from glr.devices import strategy, tpu
from glr.errors import GlrError

# As they were reported: github.com/tensorflow/tensorflow, issues 35700, 40622 and 96203, and openxla's
# tpu_initialize_util.cc; the others from TensorFlow's TPU client.
NOT_FOUND = ValueError(
    "Could not lookup TPU metadata from name 'my-tpu'. Please doublecheck the tpu argument in the TPUClusterResolver "
    "constructor. Exception: <HttpError 404 when requesting https://tpu.googleapis.com/v1/projects/p/locations/z/nodes/"
    "my-tpu?alt=json returned \"Resource 'projects/p/locations/z/nodes/my-tpu' was not found\">"
)
NOT_READY = RuntimeError('TPU "my-tpu" is not yet ready; state: "CREATING"')
OTHER_VERSION = tf.errors.NotFoundError(
    None,
    None,
    "'__inference__tpu_init_fn_4' is neither a type of a primitive operation nor a name of a function registered in "
    "binary running on n-3ea5ef93-w-0. Make sure the operation or function is registered in the binary running in this "
    "process.",
)
OTHER_OPS = tf.errors.NotFoundError(
    None,
    None,
    "TPUs not found in the cluster. Failed in initialization: NodeDef expected inputs 'string' do not match 0 inputs "
    "specified; Op<name=_Send; signature=tensor:T -> ; attr=T:type>; NodeDef: {{node _Send}}",
)
BUSY = tf.errors.AbortedError(
    None,
    None,
    "The TPU is already in use by process with pid 22589. Not attempting to load libtpu.so in this process.",
)
ABSENT = tf.errors.NotFoundError(
    None,
    None,
    "TPUs not found in the cluster. Failed in initialization: No OpKernel was registered to support Op "
    "'ConfigureDistributedTPU' used by {{node ConfigureDistributedTPU}} with these attrs: [is_global_init=false]\n"
    "Registered devices: [CPU]\nRegistered kernels:\n  <no registered kernels>\n\n\t [[ConfigureDistributedTPU]]",
)
OUT_OF_REACH = tf.errors.UnavailableError(None, None, "failed to connect to all addresses\nAdditional GRPC error")


class FakeTPU:
    """Stands in for TensorFlow's calls; one of them raises."""

    def __init__(self, patch: pytest.MonkeyPatch, where: str | None = None, error: Exception | None = None):
        self.calls: list[str] = []

        def called(name: str) -> Any:
            def call(*_: Any, **__: Any) -> str:
                self.calls.append(name)
                if name == where:
                    assert error
                    raise error
                return name

            return call

        patch.setattr(tpu, "_connected", {})
        patch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", called("resolver"))
        patch.setattr(tf.config, "experimental_connect_to_cluster", called("connect"))
        patch.setattr(tf.tpu.experimental, "initialize_tpu_system", called("initialize"))
        patch.setattr(tf.distribute, "TPUStrategy", called("strategy"))


@pytest.mark.parametrize(
    ("where", "error", "name", "sentence"),
    [
        (
            "resolver",
            NOT_FOUND,
            "my-tpu",
            "strategy.tpu=my-tpu: no TPU of this name could be found in strategy.zone=z, strategy.project=null; see "
            "`gcloud compute tpus list` (<HttpError 404",
        ),
        ("connect", NOT_READY, "my-tpu", 'strategy.tpu=my-tpu: TPU "my-tpu" is not yet ready; state: "CREATING"; see '),
        (
            "initialize",
            OTHER_VERSION,
            "grpc://10.0.0.2:8470",
            f"strategy.tpu=grpc://10.0.0.2:8470: the TPU runs another version of TensorFlow than the {tf.__version__}",
        ),
        (
            "initialize",
            OTHER_OPS,
            "my-tpu",
            "strategy.tpu=my-tpu: the TPU runs another version of TensorFlow",
        ),
        (
            "initialize",
            BUSY,
            "local",
            "strategy.tpu=local: the TPU is in use by another process; one process",
        ),
        (
            "initialize",
            ABSENT,
            "local",
            "strategy.tpu=local: this machine has no TPU that TensorFlow sees; is it",
        ),
        (
            "initialize",
            OUT_OF_REACH,
            "my-tpu",
            "strategy.tpu=my-tpu: the TPU could not be reached (failed to connect to",
        ),
    ],
)
def test_each_error_is_a_sentence(monkeypatch, tmp_path: Path, where: str, error: Exception, name: str, sentence: str):
    monkeypatch.setattr(tpu, "LOCK", tmp_path / "none")
    FakeTPU(monkeypatch, where, error)
    with pytest.raises(GlrError) as raised:
        strategy.tpu(name, "z", None)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_a_tpu_that_another_process_holds_is_told_from_none(monkeypatch, tmp_path: Path):
    lock = tmp_path / "libtpu_lockfile"
    monkeypatch.setattr(tpu, "LOCK", lock)
    FakeTPU(monkeypatch, "initialize", ABSENT)
    program = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program, lock], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(GlrError, match=rf"the TPU is in use by process {holder.pid}; one process at a time"):
            strategy.tpu("local", None, None)
        assert not tpu.is_held()  # there is no chip: whatever that process locks
        (tmp_path / "accel0").touch()
        monkeypatch.setattr(tpu, "DEVICES", tmp_path)
        with pytest.raises(GlrError, match=rf"the TPU is in use by process {holder.pid}; one process at a time"):
            strategy.auto()
        holder.communicate("\n")
    assert not tpu.is_held()
    assert lock.exists()
    with pytest.raises(GlrError, match="this machine has no TPU"):
        strategy.tpu("local", None, None)


def test_a_machine_without_one_says_so():
    """The test uses the installed TensorFlow, without stand-ins."""
    if tf.config.list_physical_devices("TPU") or Path("/dev/accel0").exists():
        pytest.skip("this machine has a TPU")
    with pytest.raises(GlrError, match="this machine has no TPU that TensorFlow sees; is it a TPU VM"):
        strategy.tpu("local", None, None)


def test_it_is_initialised_once_in_a_process(monkeypatch):
    fake = FakeTPU(monkeypatch)
    first = strategy.tpu("my-tpu", None, None)
    assert strategy.tpu("my-tpu", None, None) is first
    assert fake.calls == ["resolver", "connect", "initialize", "strategy"]
    with pytest.raises(
        GlrError, match=r"strategy\.tpu=other: this process uses TPU my-tpu; give each job a process of its own"
    ):
        strategy.tpu("other", None, None)
    assert fake.calls == ["resolver", "connect", "initialize", "strategy"]


def test_a_local_one_needs_no_connection(monkeypatch):
    fake = FakeTPU(monkeypatch)
    strategy.tpu("local", None, None)
    assert fake.calls == ["resolver", "initialize", "strategy"]
