"""The TPU compiler's figures for programs whose operations, bytes and time are known."""

import importlib.metadata
import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from glr.errors import GlrError
from glr.preflight.compiling import VERSIONS, Compiled, check_compiler
from glr.preflight.topology import GIB, TOPOLOGIES

ROOT = Path(__file__).parents[2]
here = pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="libtpu is for x86")
SIZE = 4096
Programs = dict[tuple[str, str], Compiled]
MATMUL = f"""module @matmul {{ func.func public @main(
  %a: tensor<{SIZE}x{SIZE}xbf16>, %b: tensor<{SIZE}x{SIZE}xbf16>) -> tensor<{SIZE}x{SIZE}xbf16> {{
  %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]
    : (tensor<{SIZE}x{SIZE}xbf16>, tensor<{SIZE}x{SIZE}xbf16>) -> tensor<{SIZE}x{SIZE}xbf16>
  return %0 : tensor<{SIZE}x{SIZE}xbf16> }} }}"""
DOUBLE = """module @double {{ func.func public @main(%a: tensor<{0}xf32>) -> tensor<{0}xf32> {{
  %0 = stablehlo.add %a, %a : tensor<{0}xf32>
  return %0 : tensor<{0}xf32> }} }}"""
COUNT = """module @count { func.func public @main(%a: tensor<i64>) -> tensor<i64> {
  %0 = stablehlo.add %a, %a : tensor<i64>
  return %0 : tensor<i64> } }"""
# Each of v3-8's cores adds up what all eight have.
SUM = """module @sum { func.func public @main(%a: tensor<16777216xf32>) -> tensor<16777216xf32> {
  %0 = "stablehlo.all_reduce"(%a) ({ ^bb0(%x: tensor<f32>, %y: tensor<f32>):
    %s = stablehlo.add %x, %y : tensor<f32>
    "stablehlo.return"(%s) : (tensor<f32>) -> () })
    {replica_groups = dense<[[0, 1, 2, 3, 4, 5, 6, 7]]> : tensor<1x8xi64>}
    : (tensor<16777216xf32>) -> tensor<16777216xf32>
  return %0 : tensor<16777216xf32> } }"""
SCRIPT = """
import json, os, sys
from dataclasses import asdict
from glr.preflight.compiling import ENVIRONMENT, compile_stablehlo
from glr.preflight.topology import TOPOLOGIES
os.environ.update(ENVIRONMENT)
print(json.dumps([asdict(compile_stablehlo(module, TOPOLOGIES[name])) for module, name in json.load(sys.stdin)]))
"""


def compiled(*programs: tuple[str, str]) -> list[Compiled]:
    """Compile (StableHLO, topology) in another process, because this one has imported TensorFlow."""
    line = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(line, input=json.dumps(programs), capture_output=True, text=True, check=True, cwd=ROOT)
    return [Compiled(**values) for values in json.loads(done.stdout.splitlines()[-1])]


def copy_of(gib: float) -> str:
    """A program whose argument and result together occupy `gib` GiB."""
    return DOUBLE.format(int(gib * GIB / 8) // 2**14 * 2**14)


@pytest.fixture(scope="module")
def programs() -> Programs:
    """The compiled programs by (name, topology), from one process, because its start takes longest."""
    wanted = {("matmul", name): MATMUL for name in TOPOLOGIES} | {("count", "v3-8"): COUNT, ("sum", "v3-8"): SUM}
    for name, topology in TOPOLOGIES.items():
        wanted["below", name], wanted["above", name] = (copy_of(part * topology.memory) for part in (0.98, 1.01))
    return dict(zip(wanted, compiled(*((text, name) for (_, name), text in wanted.items())), strict=True))


@here
def test_a_matrix_product_has_its_operations_bytes_and_time_on_every_chip(programs: Programs):
    for name in TOPOLOGIES:
        program = programs["matmul", name]
        assert program.flops == 2 * SIZE**3
        assert program.arguments == 2 * 2 * SIZE**2
        assert program.outputs == 2 * SIZE**2
        # Newer chips keep parts of it in a faster memory, and the compiler counts those bytes too.
        assert 3 * 2 * SIZE**2 <= program.accessed <= 9 * 2 * SIZE**2
        share = program.flops / program.seconds / TOPOLOGIES[name].core_peak
        assert 0.6 < share < 1.05, (name, share)


@here
def test_the_oldest_chips_are_said_to_work_at_their_peak(programs: Programs):
    program = programs["matmul", "v3-8"]
    assert program.accessed == 3 * 2 * SIZE**2
    assert program.seconds == pytest.approx(2 * SIZE**3 / 61.5e12, rel=0.01)
    assert program.cycles / 940e6 == pytest.approx(program.seconds, rel=0.1)


@here
def test_the_capacities_are_those_at_which_the_compiler_refuses(programs: Programs):
    for name, topology in TOPOLOGIES.items():
        below, above = programs["below", name], programs["above", name]
        assert below.needed == 0
        assert below.memory == pytest.approx(0.98 * topology.memory * GIB, rel=0.01)
        assert above.needed == pytest.approx(1.01 * topology.memory * GIB, rel=0.01)
        assert above.memory == above.needed


@here
def test_operations_without_a_cost_are_not_counted_as_minus_a_second(programs: Programs):
    assert 0 <= programs["count", "v3-8"].seconds < 1e-3


@here
def test_a_sum_over_the_replicas_is_compiled_but_its_links_are_not_in_the_time(programs: Programs):
    program, size = programs["sum", "v3-8"], 4 * 16777216
    assert program.accessed == 2 * size
    assert program.seconds == pytest.approx(2 * size / 450e9, rel=0.1)  # a core's half of 900 GB/s


@here
def test_a_program_that_the_compiler_fails_on_is_one_sentence():
    line = [sys.executable, "-c", SCRIPT]
    eight = json.dumps([(SUM, "v4-8")])  # v4-8 has four replicas, not eight
    done = subprocess.run(line, input=eight, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "glr.errors.GlrError: the TPU compiler cannot compile this step: " in done.stderr


def test_without_the_compiler_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    installed = dict(VERSIONS)

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    check_compiler()
    installed["libtpu"] = "0.0.17"
    with pytest.raises(GlrError, match=r"libtpu 0\.0\.52; installed are .* libtpu 0\.0\.17: pip install --con"):
        check_compiler()
    del installed["libtpu"]
    with pytest.raises(GlrError, match=r"libtpu is missing\): pip install --constraint constraints"):
        check_compiler()
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(GlrError, match="Linux on x86-64; this is Linux on arm64"):
        check_compiler()


def test_the_extra_pins_the_versions_that_are_checked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [line.split(";")[0].strip() for line in project["optional-dependencies"]["preflight"]]
    assert pins == [f"{name}=={number}" for name, number in VERSIONS.items()]
