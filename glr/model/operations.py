"""The operations of a SavedModel, read from its file: which of them do more than compute."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from glr.errors import GlrError

try:  # TensorFlow's list of operations, for want of a public one
    from tensorflow.python.framework import op_def_registry
except ImportError as missing:
    raise ImportError(f"glr needs TensorFlow 2.20 or 2.21: {missing}") from missing

# Operations with a state that stay within the model: variables, tables, random numbers, control flow, checks. All
# others with a state are refused: they write files, talk to other machines or call Python.
_HARMLESS = {
    *["VarHandleOp", "ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"],
    *["DisableCopyOnRead", "VarIsInitializedOp", "DestroyResourceOp", "ResourceGather", "ResourceGatherNd"],
    *["Variable", "VariableV2", "Assign", "IsVariableInitialized", "RestoreV2", "AnonymousMutableHashTable"],
    *["HashTableV2", "MutableHashTableV2", "LookupTableFindV2", "LookupTableImportV2", "LookupTableInsertV2"],
    *["LookupTableExportV2", "LookupTableSizeV2", "InitializeTableV2", "InitializeTableFromTextFileV2"],
    *["RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle"],
    *["StatefulPartitionedCall", "If", "While", "Case", "Assert", "CheckNumerics", "Print", "Empty", "Placeholder"],
    *["TensorArrayV3", "TensorArrayWriteV3", "TensorArrayReadV3", "TensorArrayGatherV3", "TensorArrayScatterV3"],
    *["TensorArraySizeV3", "TensorArrayCloseV3", "TensorArrayConcatV3", "TensorArraySplitV3"],
}
# Operations that TensorFlow counts as without a state, and that call Python or use files all the same.
_HARMFUL = {"PyFuncStateless", "ReadFile", "MatchingFiles", "DebugIdentity", "DebugIdentityV2"}


def refused(folder: Path) -> list[str]:
    """The operations that loading or calling a SavedModel would run and that do more than compute, by name.

    Args:
        folder: holds saved_model.pb, which is read and not executed.

    Raises:
        GlrError: the file is damaged, or kept in pieces.
    """
    if (folder / "saved_model.cpb").exists():  # TensorFlow would prefer it
        raise GlrError(f"{folder} holds saved_model.cpb, a model in pieces, whose operations glr cannot check")
    model: Any = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's own
        raise GlrError(f"{folder} cannot be loaded as a SavedModel (saved_model.pb is damaged)") from error
    return sorted({name for graph in model.meta_graphs for name in map(_refused, _executed(graph)) if name})


def _refused(node: Any) -> str | None:
    """The name of a node's operation if it does more than compute."""
    if node.op == "PrintV2":  # it prints to a file, too
        return None if node.attr["output_stream"].s in (b"stderr", b"stdout") else node.op
    known: Any = op_def_registry.get(node.op)
    if known is None:  # a function's name, or an operation that TensorFlow does not have: it will refuse it
        return None
    harmful = node.op in _HARMFUL or "Dataset" in node.op or (known.is_stateful and node.op not in _HARMLESS)
    return node.op if harmful else None


def _executed(graph: Any) -> Iterator[Any]:
    """The nodes that loading or calling a meta graph can run: all but those that only save it."""
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    begin = [output.name for signature in graph.signature_def.values() for output in signature.outputs.values()]
    begin += [name for collection in graph.collection_def.values() for name in collection.node_list.value]
    begin += [graph.saver_def.restore_op_name]
    waiting = [nodes[name] for name in map(_node_name, begin) if name in nodes]
    called = [name for name in graph.object_graph_def.concrete_functions if name in functions]
    seen: set[str] = set()
    while waiting or called:
        if waiting:
            node = waiting.pop()
            if node.name in seen:
                continue
            seen.add(node.name)
            waiting += [nodes[name] for name in map(_node_name, node.input) if name in nodes]
            body: Iterable[Any] = [node]
        else:
            name = f"function {(function := functions[called.pop()]).signature.name}"
            if name in seen:
                continue
            seen.add(name)
            body = function.node_def
        for node in body:
            yield node
            called += [name for name in _functions_of(node) if name in functions]


def _node_name(tensor: str) -> str:
    """The node of an input: `^name` and `name:0` are those of `name`."""
    return tensor.lstrip("^").partition(":")[0]


def _functions_of(node: Any) -> Iterator[str]:
    """The functions that a node names."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (function.name for function in value.list.func)
