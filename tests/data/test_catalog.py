"""The catalogue: numbers, order and validation split follow from names and seed; mistakes are named."""

import math
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from glr.data.catalog import Catalog, Photo
from glr.errors import GlrError
from tests.conftest import ROOT


def photos(names: dict[str, int]) -> list[Photo]:
    """Return the given number of photos of each class."""
    every = ((name, i) for name, count in names.items() for i in range(count))
    return [Photo(f"{name}-{i}", f"/{name}/{i}.jpg", name, "here") for name, i in every]


def trained(names: dict[str, int], seed: int = 0) -> Catalog:
    catalog = Catalog(seed)
    catalog.add("train", photos(names))
    return catalog


def test_classes_are_numbered_by_name_or_by_value():
    for names, order in ((["b", "10", "9", "a"], ["10", "9", "a", "b"]), (["10", "9", "030"], ["9", "10", "030"])):
        catalog = trained(dict.fromkeys(names, 2))
        assert catalog.number_classes() == len(order)
        assert list(catalog.classes()) == list(enumerate(order))
        assert {(i.split("-")[0], label) for i, _, label in catalog.photos("train")} == {
            (name, label) for label, name in enumerate(order)
        }


def test_the_order_is_a_shuffle_that_more_photos_do_not_change():
    one, more, other = trained({"a": 100}), trained({"a": 100, "b": 50}), trained({"a": 100}, seed=1)
    for catalog in (one, more, other):
        catalog.number_classes()
    order = [i for i, _, _ in one.photos("train")]
    assert order != sorted(order, key=lambda i: int(i.split("-")[1]))
    assert [i for i, _, _ in more.photos("train") if i.startswith("a")] == order
    assert [i for i, _, _ in other.photos("train")] != order
    places = [int(i.split("-")[1]) for i in order]
    assert sum(b > a for a, b in pairwise(places)) in range(35, 65)


def test_index_and_queries_keep_their_order_and_have_no_label():
    catalog = Catalog()
    listed = photos({"b": 3, "a": 2})
    random.Random(0).shuffle(listed)
    catalog.add("index", listed)
    assert list(catalog.photos("index")) == [(p.id, p.path, -1) for p in listed]
    assert list(catalog.landmarks("index")) == [(p.id, p.landmark) for p in listed]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
def test_validation_takes_its_share_of_every_class(share: float):
    sizes = {f"c{n}": n % 23 + 1 for n in range(400)}
    catalog = trained(sizes)
    catalog.number_classes()
    catalog.split_validation(share)
    held = Counter(i.split("-")[0] for i, _, _ in catalog.photos("validation"))
    kept = Counter(i.split("-")[0] for i, _, _ in catalog.photos("train"))
    assert {name: held[name] + kept[name] for name in sizes} == sizes
    for name, size in sizes.items():
        assert kept[name] >= 1
        assert held[name] in (math.floor(size * share), min(math.floor(size * share) + 1, size - 1))
    possible = sum(sizes.values())
    assert sum(held.values()) == pytest.approx(share * possible, rel=0.06)
    again = trained(dict(reversed(sizes.items())))
    again.number_classes()
    again.split_validation(share)
    assert set(again.photos("validation")) == set(catalog.photos("validation"))


def test_an_id_twice_in_a_split():
    catalog = trained({"a": 1})
    catalog.add("index", photos({"a": 1}))  # in another split it may
    with pytest.raises(GlrError, match="here: the id a-0 appears twice"):
        catalog.add("train", photos({"a": 1}))


def test_a_train_image_without_class():
    with pytest.raises(GlrError, match="file, line 3: the train image x has no class"):
        Catalog().add("train", [Photo("x", "x.jpg", None, "file, line 3")])


def test_solutions_must_fit_the_photos():
    catalog = Catalog()
    catalog.add("index", photos({"i": 2}))
    catalog.add("query", photos({"q": 2}))
    catalog.answer("retrieval", [("q-0", "i-0 i-1", "Public")])
    with pytest.raises(GlrError, match="the query image q-1 is in no solution"):
        catalog.check_solutions()
    catalog.answer("recognition", [("q-1", "any landmark", "Private")])
    catalog.answer("retrieval", [("q-1", "None", "Private")])
    catalog.check_solutions()
    catalog.answer("retrieval", [("q-1", "i-0 q-0", "Private")])
    with pytest.raises(GlrError, match="a solution names the index image q-0, which is not among the index images"):
        catalog.check_solutions()


def test_memory_does_not_grow_with_the_number_of_images():
    """SQLite's cache is made small here. getrusage is no use: its peak would include this process before exec."""
    program = """
from glr.data.catalog import Catalog, Photo
for images in (20_000, 120_000):
    catalog = Catalog()
    catalog._database.execute("PRAGMA cache_size = -1024")
    catalog.add("train", (Photo(f"{i:016x}", f"/data/train/{i:016x}.jpg", str(i % 5000), "") for i in range(images)))
    catalog.number_classes()
    catalog.split_validation(0.1)
    assert sum(1 for _ in catalog.photos("train")) == catalog.count("train")
    catalog.close()
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    few, many = map(int, done.stdout.split())  # KiB
    assert many - few < 4 * 2**10  # a list of 100,000 would take 30 MiB
