"""Descriptors as an index of faiss, which searches them where they lie."""

from typing import Any

import numpy as np

from glr.config.installation import library, pip_install
from glr.errors import GlrError


def flat(values: np.ndarray) -> Any:
    """Return a `faiss.IndexFlatIP` whose vectors are the array's own memory.

    Args:
        values: descriptors float32 [N, D], contiguous; they must not change while the index lives.

    Raises:
        GlrError: faiss is not installed, or too old.
    """
    faiss = library("faiss", "faiss", "faiss is not installed")
    index = faiss.IndexFlatIP(values.shape[1])
    if not hasattr(index.codes, "view_data"):
        raise GlrError(f"faiss {faiss.__version__} cannot use foreign memory; {pip_install('faiss')}")
    memory = faiss.swig_ptr(values.reshape(-1).view(np.uint8))
    index.codes.is_owned = False
    index.codes.view_data = index.codes.c_ptr = memory
    index.codes.view_size = index.codes.c_size = values.nbytes
    index.ntotal = len(values)
    index.referenced_objects = [values]  # the memory lives as long as the index
    index.add = index.remove_ids = index.reset = _refuse  # faiss would end the process
    return index


def _refuse(*_: object) -> None:
    raise GlrError(
        "this index uses the memory of a glr.Index and cannot change; add to the glr.Index, or make another: "
        "faiss.IndexFlatIP(D).add(index.descriptors)"
    )
