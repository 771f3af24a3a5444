"""The claim to a folder of a bucket; tests/attacks/test_prepare.py has two processes fight for one."""

import json
import time
from contextlib import suppress

import pytest

from glr import storage
from glr.data import claim
from glr.data.claim import CLAIM, claimed
from glr.data.prepared import MANIFEST
from glr.errors import GlrError
from tests.attacks.test_prepare import take_over


def test_it_names_its_holder_and_goes_when_the_set_is_complete(gcs_folder: str):
    with claimed(gcs_folder) as verify:
        verify()
        assert json.loads(storage.read(storage.join(gcs_folder, CLAIM)))["holder"].startswith("process ")
        storage.write(storage.join(gcs_folder, MANIFEST), b"{}")
    assert set(storage.files(gcs_folder)) == {MANIFEST}


def test_a_part_of_a_set_is_left_to_whoever_continues(gcs_folder: str):
    with suppress(ValueError), claimed(gcs_folder):
        storage.write(storage.join(gcs_folder, "train-0"), b"a shard")
        raise ValueError
    assert set(storage.files(gcs_folder)) == {CLAIM, "train-0"}
    with claimed(gcs_folder):  # without waiting, because the claim is free
        pass


def test_a_claim_that_another_overwrote_is_lost(gcs_folder: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claim, "_BEAT", 0.05)
    path = storage.join(gcs_folder, CLAIM)
    with claimed(gcs_folder) as verify:
        take_over(path, b'{"holder": "another", "beat": ""}')
        time.sleep(1)
        with pytest.raises(GlrError, match="another"):
            verify()
    assert json.loads(storage.read(path))["holder"] == "another"


def test_a_folder_with_other_objects_is_refused(gcs_folder: str):
    storage.write(storage.join(gcs_folder, "theirs"), b"")
    with pytest.raises(GlrError, match=r"holds other objects \(theirs\)"), claimed(gcs_folder):
        pass
    assert set(storage.files(gcs_folder)) == {"theirs"}
