"""Descriptors on disk: the same whether written at once, in batches, or by processes that were killed between."""

from pathlib import Path

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors, DescriptorWriter, files, load, save

IDS = [f"class {n % 3}/é{n}" for n in range(23)]
VALUES = np.random.default_rng(0).standard_normal((23, 5)).astype(np.float32)


def written(folder: Path, first: int = 0, last: int = 23, dtype: str = "float32") -> DescriptorWriter:
    writer = DescriptorWriter(folder, "index", 23, dtype)
    for start in range(first, last, 4):
        writer.append(IDS[start : min(start + 4, last)], VALUES[start : min(start + 4, last)])
    return writer


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_written_is_read(tmp_path: Path, dtype: str):
    stored = written(tmp_path, dtype=dtype).close()
    assert stored.ids == IDS
    assert isinstance(stored.values, np.memmap)
    assert stored.values.dtype == dtype
    np.testing.assert_array_equal(stored.values, VALUES.astype(dtype))
    np.testing.assert_array_equal(np.load(tmp_path / "index_descriptors.npy"), VALUES.astype(dtype))
    assert sorted(tmp_path.iterdir()) == sorted(files(tmp_path, "index"))
    assert stored.values.ctypes.data % 64 == 0  # where the search takes it without copying


def test_in_memory(tmp_path: Path):
    save(tmp_path, "query", Descriptors(IDS, VALUES))
    np.testing.assert_array_equal(load(tmp_path, "query").values, VALUES)


@pytest.mark.parametrize("ids_cut", [0, 3, 40])
@pytest.mark.parametrize("values_cut", [0, 1, 20, 60, 500])
def test_what_is_not_whole_is_cut_off_and_the_rest_continued(tmp_path: Path, ids_cut: int, values_cut: int):
    written(tmp_path, last=16)  # and killed: never closed
    for file, cut in zip(files(tmp_path, "index"), (ids_cut, values_cut), strict=False):
        part = file.with_name(f"{file.name}.part")
        content = part.read_bytes()
        part.write_bytes(content[: max(len(content) - cut, 0)])
    writer = DescriptorWriter(tmp_path, "index", 23, "float32")
    lines = len("".join(f"{i}\n" for i in IDS[:16]).encode()[: -ids_cut or None].split(b"\n")) - 1
    assert writer.done == min(lines, max(16 - -(-values_cut // 20), 0)) // 4 * 4  # whole batches
    stored = written(tmp_path, first=writer.done).close()
    assert stored.ids == IDS
    np.testing.assert_array_equal(stored.values, VALUES)


@pytest.mark.parametrize(("images", "dtype"), [(15, "float32"), (23, "float16")])
def test_another_set_or_type_is_begun_anew(tmp_path: Path, images: int, dtype: str):
    written(tmp_path, last=16)
    writer = DescriptorWriter(tmp_path, "index", images, dtype)
    assert writer.done == 0
    writer.append(IDS[:images], VALUES[:images])
    stored = writer.close()
    assert stored.ids == IDS[:images]
    np.testing.assert_array_equal(stored.values, VALUES[:images].astype(dtype))


@pytest.mark.parametrize("left", [b"", b"\x93NUM", b"some other file of more bytes than a header has"])
def test_what_is_no_beginning_is_written_over(tmp_path: Path, left: bytes):
    for file in files(tmp_path, "index"):
        file.with_name(f"{file.name}.part").write_bytes(left)
    np.testing.assert_array_equal(written(tmp_path).close().values, VALUES)


def test_what_does_not_fit(tmp_path: Path):
    with pytest.raises(GlrError, match=r"index_descriptors\.npy\.part holds 12 of 23 descriptors"):
        written(tmp_path, last=12).close()
    with pytest.raises(GlrError, match=r"^image a: descriptors of 4 dimensions follow some of 5; a model must"):
        DescriptorWriter(tmp_path, "index", 23, "float32").append(["a"], np.zeros((1, 4), np.float32))
    with pytest.raises(GlrError, match=r"index_ids\.txt: no such file; expected stored descriptors"):
        load(tmp_path, "index")
    written(tmp_path, first=12).close()
    ids, values, checksums = files(tmp_path, "index")
    checksums.unlink()  # as if an earlier version wrote the descriptors
    ids.write_text("a\nb\n")
    with pytest.raises(GlrError, match=r"index_descriptors\.npy has the shape \(23, 5\), but index_ids\.txt 2 ids"):
        load(tmp_path, "index")
    values.write_bytes(b"no array")
    with pytest.raises(GlrError, match=r"index_descriptors\.npy cannot be read as descriptors"):
        load(tmp_path, "index")
