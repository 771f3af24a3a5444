"""Frames of beams keep to their box and to their counts."""

import numpy as np
import pytest

from glr.demo.beams import BEAMS, Beam


def ends(beams: list[Beam]) -> np.ndarray:
    return np.array([(beam.start, beam.end) for beam in beams], float)


@pytest.mark.parametrize("count", [3, 8])
@pytest.mark.parametrize("name", BEAMS)
def test_a_frame_stays_near_its_box(name: str, count: int):
    beams = BEAMS[name](count, 0.4)
    places = ends(beams)
    assert np.abs(places[..., :2]).max() <= 0.61
    assert -0.01 <= places[..., 2].min() < places[..., 2].max() <= 1.21
    assert (np.linalg.norm(places[:, 1] - places[:, 0], axis=1) > 0).all()
    assert all(0 < beam.thick < 2.5 for beam in beams)


def test_a_wheel_has_a_spoke_and_a_cabin_each_turned_alike():
    spokes = [beam for beam in BEAMS["wheel"](8, 0.3) if beam.colour == "trim"]
    assert len(spokes) == 8
    hub, rim = ends(spokes)[:, 0], ends(spokes)[:, 1] - ends(spokes)[:, 0]
    assert (hub == hub[0]).all()
    angles = np.unwrap(np.arctan2(rim[:, 2] / 0.41, rim[:, 0] / 0.45))
    np.testing.assert_allclose(np.diff(angles), np.pi / 4)
    assert sum(beam.colour == "accent" for beam in BEAMS["wheel"](8, 0.3)) == 8


def test_sails_are_as_long_in_every_direction():
    sails = ends(BEAMS["sails"](4, 0.2))[::2]
    np.testing.assert_allclose(np.linalg.norm(sails[:, 1] - sails[:, 0], axis=1), 0.5)
    np.testing.assert_allclose((sails[:, 1] - sails[:, 0]).sum(0), 0, atol=1e-12)


def test_a_cable_hangs_lowest_in_the_middle_and_the_stays_end_where_asked():
    cable = ends(BEAMS["catenary"](7, 0.0))[4:18]
    x, z = cable[:, 0, 0], cable[:, 0, 2]
    between = np.abs(x) < 0.27
    assert z[between].min() == pytest.approx(z[np.abs(x).argmin()]) == 0.1
    np.testing.assert_allclose(z[between], 0.1 + 0.85 * (x[between] / 0.27) ** 2)
    tips = ends(BEAMS["stays"](5, 0.2))[4:, 1, 2]
    assert 0.2 <= tips.min() < tips.max() <= 1
