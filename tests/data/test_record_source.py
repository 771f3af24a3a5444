"""The features of records are found by their usual names, or named; what does not fit is listed."""

from pathlib import Path

import pytest

from glr.data.adopting import adopt
from glr.errors import GlrError
from tests.data.records import DELF, Records, check, source, write


def test_features_that_do_not_fit_are_listed(images: Records, tmp_path: Path):
    def failure(names: tuple[str, str, str], **settings: object) -> str:
        write(tmp_path / "in/a.tfrec", images, names)
        with pytest.raises(GlrError) as raised:
            adopt(source(tmp_path / "in", **settings), tmp_path / "set", settings={})
        return str(raised.value)

    held = "its records hold id (bytes), image/height (an integer), kind (an integer), picture (bytes), score (floats"
    assert held in failure(("picture", "id", "kind"))
    assert "name the feature of the image by data.source.image_feature" in failure(("picture", "id", "kind"))
    assert "feature of the label by data.source.label_feature" in failure(
        ("picture", "id", "k"), image_feature="picture"
    )
    assert "(not other)" in failure(DELF, id_feature="other")
    assert "it has no image in score" in failure(DELF, image_feature="score")
    write(tmp_path / "in/a.tfrec", images, ("picture", "id", "kind"))
    check(
        adopt(source(tmp_path / "in", image_feature="picture", label_feature="kind"), tmp_path / "set", settings={}),
        images,
    )
    write(tmp_path / "in/test-0", [(*image[:2], None) for image in images])
    write(tmp_path / "in/a.tfrec", images)
    with pytest.raises(
        GlrError, match=r"test-0: the record at byte 0 has no class in image/class/label; .*files=train"
    ):
        adopt(source(tmp_path / "in"), tmp_path / "other", settings={})
