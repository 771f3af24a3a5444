"""The TPU compiler of `libtpu`, called without a TPU, in a process of its own because it conflicts with TensorFlow.

python -m glr.preflight.compiling MODULE TOPOLOGY

The compiler is called through internals of jaxlib, which may change with any version. The extra `preflight` pins the
versions that are known to work, and other versions are refused.
"""

import importlib.metadata
import json
import os
import platform
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glr.errors import GlrError, first_line
from glr.preflight.topology import TOPOLOGIES, Topology

VERSIONS = {"jax": "0.10.2", "jaxlib": "0.10.2", "libtpu": "0.0.52"}
_INSTALL = "pip install --constraint constraints.txt --editable '.[cpu,preflight]'"
# Work without a TPU: do not ask for the machine's metadata, and leave alone a TPU that another process holds.
ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_ACCELERATOR_TYPE": "v3-8",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
_TOO_LARGE = re.compile(r"\(([\d.]+)([KMGT])\) exceeds available HBM")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Compiled:
    """A compiled program, per core: bytes of memory, and the compiler's cost estimate of one run.

    If the compiler refused the program as too large, only `needed` is set, and all else is 0.

    Attributes:
        arguments: weights, the optimizer's moments and the batch.
        temporaries: activations, gradients and other values that live only during the step.
        outputs: the outputs that do not reuse an argument's memory.
        code: the program itself.
        flops: floating-point operations.
        accessed: bytes moved between core and memory.
        seconds: lower bound of the time: each operation runs at the speed of arithmetic or memory, links take no time.
        cycles: the sum of the code generators' own estimates for each operation, which include vector units.
        needed: bytes of memory that a refused program needs.
    """

    arguments: int = 0
    temporaries: int = 0
    outputs: int = 0
    code: int = 0
    flops: float = 0.0
    accessed: float = 0.0
    seconds: float = 0.0
    cycles: int = 0
    needed: int = 0

    @property
    def memory(self) -> int:
        """Total bytes."""
        return self.needed or self.arguments + self.temporaries + self.outputs + self.code


def check_compiler() -> None:
    """Check that the compiler is installed, without importing any of it.

    Raises:
        GlrError: the machine is unsuitable, or the compiler is missing or has another version.
    """
    if (system := (platform.system(), platform.machine())) != ("Linux", "x86_64"):
        raise GlrError(
            f"the TPU compiler runs on Linux on x86-64; this is {' on '.join(system)}: run preflight on a Linux machine"
        )
    installed = {}
    for name in VERSIONS:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise GlrError(f"the TPU compiler is not installed ({name} is missing): {_INSTALL}") from None
    if installed != VERSIONS:
        wanted, present = (", ".join(f"{name} {number}" for name, number in v.items()) for v in (VERSIONS, installed))
        raise GlrError(f"the TPU compiler needs {wanted}; installed are {present}: {_INSTALL}")


def compile_hlo(module: bytes, topology: Topology) -> Compiled:
    """Compile a serialised HLO module for all cores of a slice, each of them a replica."""
    from jaxlib import _jax, xla_client

    return compile_stablehlo(_jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(module)), topology)


def compile_stablehlo(module: str, topology: Topology) -> Compiled:
    """Compile StableHLO text for all cores of a slice, each of them a replica.

    Raises:
        GlrError: the compiler fails for a reason other than the program's size.
    """
    import numpy as np
    from jax.errors import JaxRuntimeError
    from jax.experimental import topologies
    from jax.interpreters import mlir
    from jaxlib import xla_client
    from jaxlib.mlir import ir

    extra = {"chip_config_name": topology.chip_config} if topology.chip_config else {}
    devices = topologies.get_topology_desc(platform="tpu", topology_name=topology.layout, **extra).devices
    options = xla_client.CompileOptions()
    options.num_replicas, options.num_partitions = topology.cores, 1
    options.device_assignment = xla_client.DeviceAssignment.create(np.arange(topology.cores)[:, np.newaxis])
    with mlir.make_ir_context():
        parsed = ir.Module.parse(module)
        _without_copies(parsed)
        try:
            program = devices[0].client.compile(parsed, xla_client.DeviceList(tuple(devices)), options)
        except JaxRuntimeError as error:
            if refused := _TOO_LARGE.search(str(error)):
                return Compiled(needed=int(float(refused[1]) * _UNITS[refused[2]]))
            raise GlrError(f"the TPU compiler cannot compile this step: {first_line(error)}") from error
    memory, cost = program.get_compiled_memory_stats(), program.cost_analysis()
    entry = program.hlo_modules()[0].to_string().partition("\nENTRY")[2]
    return Compiled(
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        code=memory.generated_code_size_in_bytes,
        flops=cost["flops"],
        accessed=cost["bytes accessed"],
        seconds=_seconds(cost["optimal_seconds"], entry),
        cycles=sum(map(int, _CYCLES.findall(entry))),
    )


def _without_copies(module: Any) -> None:
    """Remove TensorFlow's copy operations: StableHLO has no such operation."""
    from jaxlib.mlir import ir

    copies = []

    def collect(operation: ir.Operation) -> ir.WalkResult:
        if operation.name == "mhlo.copy":
            copies.append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for copy in copies:
        copy.results[0].replace_all_uses_with(copy.operands[0])
        copy.erase()


def _seconds(total: float, entry: str) -> float:
    """Correct the cost model's total, which counts -1 for each custom call (a 64-bit step counter has one).

    Custom calls inside a fusion count 0, so only those in the program's entry (HLO text) are corrected.
    """
    seconds = total + len(re.findall(r" custom-call\(", entry))
    if seconds < 0:
        raise GlrError("the compiler has no estimate for an operation of this step")
    return seconds


def _main(module: str, topology: str) -> None:
    os.environ.update(ENVIRONMENT)
    print(json.dumps(asdict(compile_hlo(Path(module).read_bytes(), TOPOLOGIES[topology]))))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except GlrError as error:
        sys.exit(f"error: {error}")
