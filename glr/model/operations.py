"""Read the operations of a SavedModel from its file, and tell which of them do more than compute."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from glr.errors import GlrError

try:  # TensorFlow's list of operations, which has no public API
    from tensorflow.python.framework import op_def_registry
except ImportError as missing:
    raise ImportError(f"glr needs TensorFlow 2.20 or 2.21: {missing}") from missing

# Stateful operations that stay within the model: variables, tables, random numbers, control flow, checks. All other
# stateful operations are refused: they write files, talk to other machines or call Python.
_HARMLESS = {
    *["VarHandleOp", "ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"],
    *["DisableCopyOnRead", "VarIsInitializedOp", "DestroyResourceOp", "ResourceGather", "ResourceGatherNd"],
    *["Variable", "VariableV2", "Assign", "IsVariableInitialized", "VariableShape"],
    *["HashTable", "HashTableV2", "AnonymousHashTable", "MutableHashTable", "MutableHashTableV2"],
    *["AnonymousMutableHashTable", "MutableDenseHashTable", "MutableDenseHashTableV2"],
    *["AnonymousMutableDenseHashTable", "LookupTableFindV2", "LookupTableImportV2", "LookupTableInsertV2"],
    *["LookupTableRemoveV2", "LookupTableExportV2", "LookupTableSizeV2", "InitializeTableV2"],
    *["RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle"],
    *["RngReadAndSkip", "RngSkip", "StatelessRandomGetAlg"],
    *["StatefulPartitionedCall", "If", "While", "Case", "Assert", "CheckNumerics", "Print", "Empty", "Placeholder"],
    *["TensorArrayV3", "TensorArrayWriteV3", "TensorArrayReadV3", "TensorArrayGatherV3", "TensorArrayScatterV3"],
    *["TensorArraySizeV3", "TensorArrayCloseV3", "TensorArrayConcatV3", "TensorArraySplitV3"],
}
# Operations that read files, each with the positions of its inputs that are paths. An operation is allowed if all its
# paths are of the model's own files. TensorFlow registers some of these operations as stateless.
_READERS = {
    **dict.fromkeys(["ReadFile", "MatchingFiles", "RestoreV2"], (0,)),
    **dict.fromkeys(["InitializeTableFromTextFile", "InitializeTableFromTextFileV2"], (1,)),
    "GenerateVocabRemapping": (0, 1),
}
# Operations that call the function that they name, with their inputs as its arguments.
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_INITIALIZER = "__saved_model_init_op"  # the signature that loading runs


def refused(folder: Path) -> list[str]:
    """Return the names of the operations that do more than compute and that loading or calling a SavedModel would run.

    Args:
        folder: holds saved_model.pb, which is read and not executed.

    Raises:
        GlrError: the file is damaged, or the model is stored in pieces.
    """
    if (folder / "saved_model.cpb").exists():  # TensorFlow would load this file instead
        raise GlrError(f"{folder} holds saved_model.cpb, a model in pieces, whose operations glr cannot check")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # raised by protobuf
        raise GlrError(f"{folder} cannot be loaded as a SavedModel (saved_model.pb is damaged)") from error
    return sorted({name for graph in model.meta_graphs for walk in _walks(graph, folder) for name in walk.refused()})


def _walks(graph: Any, folder: Path) -> Iterator["_Walk"]:
    """Yield walks that cover all nodes that loading or calling a meta graph can run; nodes that save it are left out.

    A graph with objects is loaded as its functions, to which asset objects pass the paths of their files. Any other
    graph is pruned to a signature, the initializer or the restoring operation; only the last two receive paths.
    """
    assets = {asset.tensor_info.name for asset in graph.asset_file_def}
    if not all(_is_inside(folder, asset.filename) for asset in graph.asset_file_def):
        assets = set()
    if graph.HasField("object_graph_def"):
        objects = graph.object_graph_def
        # An object below an asset could replace its path.
        paths = {
            n for n, o in enumerate(objects.nodes) if assets and o.WhichOneof("kind") == "asset" and not o.children
        }
        bound = {
            name: [number in paths for number in function.bound_inputs]
            for name, function in objects.concrete_functions.items()
        }
        yield _Walk(graph, [], set(), bound)
        return
    outputs = {name: [o.name for o in signature.outputs.values()] for name, signature in graph.signature_def.items()}
    initializer = outputs.pop(_INITIALIZER, [])
    initializer += [name for collection in graph.collection_def.values() for name in collection.node_list.value]
    yield _Walk(graph, [name for names in outputs.values() for name in names], set(), {})
    yield _Walk(graph, initializer, assets, {})
    yield _Walk(graph, [graph.saver_def.restore_op_name], {graph.saver_def.filename_tensor_name}, {})


def _is_inside(folder: Path, asset: str) -> bool:
    """Return True if an asset lies in the SavedModel's own folder after links are resolved."""
    try:
        return "://" not in asset and (folder / "assets" / asset).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


class _Walk:
    """All nodes of a meta graph that run when some of its nodes and functions run.

    Args:
        graph: the meta graph.
        begin: names of the graph's nodes, or of their outputs, from which the walk starts.
        fed: outputs of the graph's nodes that are paths of the model's own files.
        bound: functions called from outside, each with flags for its last inputs: True for an asset's path.
    """

    def __init__(self, graph: Any, begin: Iterable[str], fed: set[str], bound: dict[str, list[bool]]):
        self._functions = {function.signature.name: function for function in graph.graph_def.library.function}
        self._nodes = {"": {node.name: node for node in graph.graph_def.node}}  # by function; "": the graph itself
        self._fed = {_output(name) for name in fed}
        self._bound = bound
        self._sites: dict[str, list[tuple[str, Any]]] = defaultdict(list)  # function -> (caller, node) of each call
        self._executed: list[tuple[str, Any]] = []
        self._walk(begin)

    def refused(self) -> set[str]:
        """Return the operations that do more than compute; a function named like an operation is refused, too."""
        shadows = {name for name in self._functions if op_def_registry.get(name) is not None}
        return shadows | {node.op for function, node in self._executed if self._is_refused(function, node)}

    def _walk(self, begin: Iterable[str]) -> None:
        waiting = [self._nodes[""][name] for name in map(_node_name, begin) if name in self._nodes[""]]
        called = [name for name in self._bound if name in self._functions]
        seen: set[str] = set()
        while waiting or called:
            if waiting:
                place, node = "", waiting.pop()
                if node.name in seen:
                    continue
                seen.add(node.name)
                waiting += [self._nodes[""][name] for name in map(_node_name, node.input) if name in self._nodes[""]]
                body: Iterable[Any] = [node]
            else:
                place = called.pop()
                if place in self._nodes:
                    continue
                body = self._functions[place].node_def
                self._nodes[place] = {node.name: node for node in body}
            for node in body:
                self._executed.append((place, node))
                for name in _functions_of(node):
                    if name in self._functions:
                        self._sites[name].append((place, node))
                        called.append(name)

    def _is_refused(self, function: str, node: Any) -> bool:
        if node.op == "PrintV2":  # can also print to a file
            return node.attr["output_stream"].s not in (b"stderr", b"stdout")
        known = op_def_registry.get(node.op)
        if known is None:  # a function's name, or an operation that TensorFlow does not know and will refuse
            return False
        if "debug_urls" in node.attr and (node.attr["debug_urls"].list.s or node.attr["debug_urls"].placeholder):
            return True  # writes its inputs to files or to other machines
        if node.op in _READERS:
            paths = [node.input[n] for n in _READERS[node.op] if n < len(node.input)]
            return not all(self._is_own_file(function, path, set()) for path in paths)
        # TensorFlow registers PyFuncStateless as stateless.
        harmful = node.op == "PyFuncStateless" or "Dataset" in node.op
        return harmful or (known.is_stateful and node.op not in _HARMLESS)

    def _is_own_file(self, function: str, tensor: str, asked: set[tuple[str, str]]) -> bool:
        """Return True if a tensor is certainly the path of one of the model's own files.

        Args:
            function: the function that holds the tensor; "": the graph itself.
            tensor: its name, as an input gives it.
            asked: the tensors followed to reach this one, to stop at functions that call themselves.
        """
        name = _node_name(tensor)
        if (function, name) in asked:
            return True  # a recursive call: the other calls decide
        asked = asked | {(function, name)}
        if function:
            arguments = self._functions[function].signature.input_arg
            for position, argument in enumerate(arguments):
                if argument.name == name:
                    return self._is_given_own_file(function, position, asked)
        elif _output(tensor) in self._fed:
            return True
        node = self._nodes[function].get(name)
        if node is None or node.op != "Identity":
            return False
        return any(self._is_own_file(function, path, asked) for path in node.input[:1])

    def _is_given_own_file(self, function: str, position: int, asked: set[tuple[str, str]]) -> bool:
        """Return True if every call of a function passes a path of the model's own files as this argument."""
        arguments = self._functions[function].signature.input_arg
        if any(argument.number_attr or argument.type_list_attr for argument in arguments):
            return False  # an argument may stand for several inputs
        if function in self._bound:
            bound = [False] * (len(arguments) - len(self._bound[function])) + self._bound[function]
            if len(bound) != len(arguments) or not bound[position]:
                return False
        for place, node in self._sites[function]:
            if not _is_call(node, function) or position >= len(node.input):
                return False
            if not self._is_own_file(place, node.input[position], asked):
                return False
        return True


def _node_name(tensor: str) -> str:
    """Return the name of an input's node: `name` for `^name` and `name:0`."""
    return tensor.lstrip("^").partition(":")[0]


def _output(tensor: str) -> str:
    """Return the canonical spelling of a graph's tensor: `name:0` for `name`."""
    return tensor if ":" in tensor else f"{tensor}:0"


def _is_call(node: Any, function: str) -> bool:
    """Return True if a node calls a function with its inputs as arguments and does not name the function elsewhere.

    The inputs of If and While are not all arguments; a function passed to another may be called with any arguments.
    """
    called, others = node.op, dict(node.attr)
    if node.op in _CALLS and "f" in others:
        called = others.pop("f").func.name
    given = {*_named(others.values()), *_named(node.attr["f"].func.attr.values() if called != node.op else ())}
    return called == function and function not in given


def _functions_of(node: Any) -> set[str]:
    """The functions that a node names."""
    return {node.op, *_named(node.attr.values())}


def _named(values: Iterable[Any]) -> Iterator[str]:
    """Yield the functions that attributes name, and the functions that their own attributes name."""
    for value in values:
        for function in (value.func, *value.list.func):
            yield function.name
            yield from _named(function.attr.values())
