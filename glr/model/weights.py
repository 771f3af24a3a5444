"""Weights files of retrieval models: write them, load the parts that fit a model, and name in one line the others."""

import math
import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras

from glr.config.printing import counted
from glr.config.values import ModelPart
from glr.errors import GlrError, first_line
from glr.model.hub import interpolated
from glr.model.network import EMBEDDING, RetrievalModel
from glr.storage.temporary import temporary_folder

_OF_HDF5 = 2**17  # bytes of a file's structure, without the weights
_ALL = tuple(part.name for part in ModelPart)
# Keras names a layer's group by the layer's class and its number among the layers of that class.
_LAYER = re.compile(r"(?:layers/functional|network)/layers/([^/]+?)(?:_\d+)?(?=/)")


class _Array(NamedTuple):
    """An array in a weights file.

    Attributes:
        data: the array in the file, or an array made of it.
        path: its path in the file.
        group, kind, layer: path, class and name of the network's layer that owns it; empty for the head.
    """

    data: Any
    path: str
    group: str = ""
    kind: str = ""
    layer: str = ""

    @property
    def below(self) -> str:
        """The path below the layer's group."""
        return self.path.removeprefix(self.group)


_Parts = dict[str, dict[str, _Array]]  # part -> name of an array, the same in each file with this part -> the array


def load_weights(model: RetrievalModel, weights: Path) -> None:
    """Load all weights of a model from a file.

    Raises:
        GlrError: the file does not hold weights of this model; the message names the parts that differ.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of every container that another model's file lacks
            model.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        with _both(model, weights) as (ours, theirs):
            reason = _listed(_misfits(model, ours, theirs, _ALL)) or first_line(error)
        raise GlrError(f"{weights} does not hold weights of this model: {reason}") from error


def save_weights(model: keras.Model, file: Path) -> None:
    """Write weights; reserve the space first, since h5py fails to close its open objects on a full disk."""
    size = sum(math.prod(variable.shape) * 4 for variable in model.variables)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with file.open("wb") as room:
            os.posix_fallocate(room.fileno(), 0, size + size // 8 + _OF_HDF5)
    model.save_weights(file)


def load_parts(
    model: RetrievalModel,
    weights: Path,
    parts: Sequence[str] = _ALL,
    *,
    strict: bool = False,
    name: str | None = None,
) -> str:
    """Load the parts of a model that fit from a file; other parts keep their weights.

    A part fits if the file holds exactly the arrays of this part, in the same shapes. Positions of patches may be of
    another image size: they are interpolated.

    Args:
        model: the model to fill.
        weights: a file that Keras wrote for a retrieval model (`.weights.h5`).
        parts: the parts to load: backbone, pooling, embedding (Dense and BatchNorm), head.
        strict: refuse the file if one of these parts does not fit.
        name: the weights, for messages; None: they name the file.

    Returns:
        One line: the parts that were loaded, and the others with the reason.

    Raises:
        GlrError: the file holds no weights, a part does not fit although `strict`, or no part fits.
    """
    with _both(model, weights, name) as (ours, theirs):
        left = _misfits(model, ours, theirs, parts)
        taken = [part for part in parts if ours[part] and part not in left]
        if not taken or (strict and left):
            hint = "; init_from.strict=false takes the parts that fit" if taken else ""
            reason = _listed(left) or f"it has no weights for {', '.join(parts)}"
            raise GlrError(f"{name or weights} does not hold weights of this model: {reason}{hint}")
        for part in taken:
            for name, own in ours[part].items():
                own.data[...] = theirs[part][name].data[...]
        file = next(iter(ours[taken[0]].values())).data.file
        file.flush()
        model.load_weights(file.filename)
        line = f"took {_listed({part: counted(len(ours[part]), 'weight') for part in taken})}"
    return f"{line}; left {_listed(left)}" if left else line


@contextmanager
def _both(model: RetrievalModel, weights: Path, name: str | None = None) -> Iterator[tuple[_Parts, _Parts]]:
    """Yield the arrays of a temporary file of the model's own weights, and those of the given file.

    Raises:
        GlrError: the given file holds no weights.
    """
    with temporary_folder() as folder:
        model.save_weights(folder / "own.weights.h5")
        try:
            source = h5py.File(weights)
        except OSError as error:
            raise GlrError(f"{name or weights} does not hold weights of this model ({first_line(error)})") from error
        with source, h5py.File(folder / "own.weights.h5", "r+") as own:
            arrays, pooling = list(_arrays(own)), model.pooling().name
            pools = {array.kind for array in arrays if array.layer == pooling}
            ours = _by_part(arrays, pools)
            theirs = _by_part(list(_arrays(source)), pools, {array.kind for array in ours["backbone"].values()})
            _interpolate(model, ours["backbone"], theirs["backbone"])
            yield ours, theirs


def _interpolate(model: RetrievalModel, ours: Mapping[str, _Array], theirs: dict[str, _Array]) -> None:
    """Interpolate a transformer's positions that were trained at another image size."""
    shapes = {tuple(weight.shape) for weight in model.weights if "position_embedding" in weight.path}
    for name in ours.keys() & theirs.keys():
        own, stored = ours[name].data.shape, theirs[name].data.shape
        if own in shapes and own != stored and (*own[:-2], own[-1]) == (*stored[:-2], stored[-1]):
            theirs[name] = theirs[name]._replace(data=interpolated(theirs[name].data[()], own[-2]))


def _arrays(file: h5py.File) -> Iterator[_Array]:
    """Yield the arrays of a weights file.

    Raises:
        GlrError: an array lies in another file.
    """
    paths: list[str] = []
    file.visit(paths.append)
    for path in paths:
        if not isinstance(data := file[path], h5py.Dataset):
            continue
        if data.external or data.is_virtual:
            raise GlrError(f"{file.filename}: {path} lies in another file; Keras writes no such files")
        if (match := _LAYER.match(path)) is None:
            yield _Array(data, path)
        else:
            own = file.get(f"{match[0]}/vars")
            yield _Array(data, path, match[0], match[1], "" if own is None else str(own.attrs.get("name", "")))


def _by_part(arrays: Sequence[_Array], pools: Collection[str], known: Collection[str] | None = None) -> _Parts:
    """Sort a file's arrays by part.

    Args:
        arrays: all arrays of the file.
        pools: the class of the model's pooling; empty if it has no weights.
        known: the classes of the backbone's layers; a single layer of another class is another pooling and left out.
            None: all classes.
    """
    parts: _Parts = {part: {} for part in _ALL}
    unknown: _Parts = {}
    for array in arrays:
        if array.path.startswith("head/"):
            parts["head"][array.path] = array
        elif array.layer in EMBEDDING:
            parts["embedding"][f"{array.layer}{array.below}"] = array
        elif array.kind in pools:
            parts["pooling"][array.below] = array
        elif known is None or array.kind in known:
            parts["backbone"][array.path] = array
        else:
            unknown.setdefault(array.group, {})[array.path] = array
    for layer in unknown.values() if len(unknown) > 1 else ():
        parts["backbone"] |= layer
    return parts


def _misfits(model: RetrievalModel, ours: _Parts, theirs: _Parts, parts: Sequence[str]) -> dict[str, str]:
    """Map each part that the file does not fit to the reason."""
    reasons = {part: _misfit(part, ours[part], theirs[part], model) for part in parts}
    return {part: reason for part, reason in reasons.items() if reason}


def _misfit(part: str, ours: Mapping[str, _Array], theirs: Mapping[str, _Array], model: RetrievalModel) -> str | None:
    if not ours:
        return None
    if not theirs:
        return "the file has none"
    if ours.keys() != theirs.keys():
        return "another network" if part == "backbone" else f"another kind of {part}"
    differing = [name for name in ours if ours[name].data.shape != theirs[name].data.shape]
    if not differing:
        return None
    name = max(differing, key=lambda name: ours[name].data.ndim)  # a kernel tells more than a bias
    return _difference(part, ours[name].layer, ours[name].data.shape, theirs[name].data.shape, model)


def _difference(part: str, layer: str, own: tuple[int, ...], stored: tuple[int, ...], model: RetrievalModel) -> str:
    """Say how two shapes of an array differ."""
    if part in ("head", "embedding") and len(own) == len(stored) == 2:
        before, now = stored[-1], own[-1]
        if part == "embedding":
            inputs = f"for {stored[0]:,} features, this model has {own[0]:,}"
            return inputs if before == now else f"trained with {before:,} dimensions, this model has {now:,}"
        if stored[0] != own[0]:
            return f"for embeddings of {stored[0]:,} dimensions, this model has {own[0]:,}"
        if now == getattr(model.head, "num_classes", None):  # a head with several centres has more columns
            return f"trained with {before:,} classes, this set has {now:,}"
    return f"{layer or part} has the shape {list(stored)}, in this model {list(own)}"


def _listed(reasons: Mapping[str, str]) -> str:
    return ", ".join(f"{part} ({reason})" for part, reason in reasons.items())
