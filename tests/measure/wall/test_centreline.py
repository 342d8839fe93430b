"""The wall between its contours: chords across it, the length along it, the endo about the epi's middle."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measure.wall.centreline import about_epi_mm, arcs_mm, chords_mm, midline_mm
from pipeline.measure.wall.rings import N_RAYS

ANGLES = 2 * np.pi * np.arange(N_RAYS) / N_RAYS


def test_chords_cross_an_oblique_wall_squarely() -> None:
    """An ellipse's wall of 8 mm: rays cross it obliquely, and measure up to 16 % too much; chords do not."""
    normal = np.stack([np.cos(ANGLES) / 34.0, np.sin(ANGLES) / 18.0], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    endo = np.stack([34.0 * np.cos(ANGLES), 18.0 * np.sin(ANGLES)], axis=1)
    radii = []
    for outline in (endo, endo + 8.0 * normal):
        angle, radius = np.arctan2(outline[:, 1], outline[:, 0]) % (2 * np.pi), np.hypot(*outline.T)
        radii.append(np.interp(ANGLES, angle, radius, period=2 * np.pi)[None])
    along_rays = radii[1] - radii[0]
    assert along_rays.max() == pytest.approx(8.0 * 1.157, abs=0.01)
    np.testing.assert_allclose(chords_mm(*radii), 8.0, atol=0.12)


def test_chords_by_hand() -> None:
    """Circles off each other's centre: thick on one side, thin on the other, and never below nothing."""
    circle = np.ones((1, N_RAYS))
    two = chords_mm(np.concatenate([20.0 * circle, 10.0 * circle]), np.concatenate([29.0 * circle, 10.0 * circle]))
    np.testing.assert_allclose(two, [[9.0] * N_RAYS, [0.0] * N_RAYS], atol=0.02)
    aside = np.sqrt(30.0**2 - (4.0 * np.sin(ANGLES)) ** 2) + 4.0 * np.cos(ANGLES)  # centre 4 mm to the right
    chords = chords_mm(20.0 * circle, aside[None])[0]
    assert chords[0] == pytest.approx(14.0, abs=0.05)
    assert chords[N_RAYS // 2] == pytest.approx(6.0, abs=0.05)
    assert int(chords.argmax()) == 0
    assert int(chords.argmin()) == N_RAYS // 2


def test_chords_turn_with_the_wall() -> None:
    endo = (20.0 + 2.0 * np.cos(2 * ANGLES))[None]
    epi = (30.0 + 3.0 * np.sin(ANGLES))[None]
    turned = chords_mm(np.roll(endo, 13, axis=1), np.roll(epi, 13, axis=1))
    np.testing.assert_allclose(turned, np.roll(chords_mm(endo, epi), 13, axis=1), atol=1e-9)
    np.testing.assert_allclose(chords_mm(2 * endo, 2 * epi), 2 * chords_mm(endo, epi), atol=1e-9)


def _jagged() -> tuple[np.ndarray, np.ndarray]:
    """Five rings of uneven contours."""
    rng = np.random.default_rng(0)
    endo = 20.0 + 3.0 * np.sin(2 * ANGLES) + rng.uniform(-1.0, 1.0, (5, N_RAYS))
    return endo, endo + 9.0 + 2.0 * np.cos(ANGLES) + rng.uniform(-1.0, 1.0, (5, N_RAYS))


def test_chords_of_a_mirrored_wall_are_mirrored() -> None:
    plain, mirrored = (
        chords_mm(*(np.roll(radii[:, ::step], (step - 1) // -2, axis=1) for radii in _jagged())) for step in (1, -1)
    )
    np.testing.assert_allclose(mirrored, np.roll(plain[:, ::-1], 1, axis=1), atol=1e-9)


def test_a_ring_s_chords_do_not_depend_on_the_rings_beside_it() -> None:
    endo, epi = _jagged()
    alone = [chords_mm(endo[n : n + 1], epi[n : n + 1])[0] for n in range(5)]
    np.testing.assert_allclose(chords_mm(endo, epi), alone, atol=1e-12)


def test_a_chord_across_a_very_thick_wall_is_found_beyond_its_neighbourhood() -> None:
    """A cavity of 4 mm at the side of a wall of 40: chords there end far from their own ray."""
    aside = np.sqrt(40.0**2 - (34.0 * np.sin(ANGLES)) ** 2) + 34.0 * np.cos(ANGLES)
    chords = chords_mm(np.full((1, N_RAYS), 4.0), aside[None])[0]
    assert np.isfinite(chords).all()
    assert chords[0] == pytest.approx(70.0, abs=0.5)
    assert chords[N_RAYS // 2] == pytest.approx(2.0, abs=0.3)


def test_the_midline_s_arcs_add_up_to_its_length() -> None:
    circle = np.ones((1, N_RAYS))
    middle = midline_mm(20.0 * circle, 30.0 * circle)
    np.testing.assert_allclose(middle, 25.0)
    assert arcs_mm(middle).sum() == pytest.approx(2 * np.pi * 25.0, rel=2e-4)
    ellipse = 1.0 / np.hypot(np.cos(ANGLES) / 30.0, np.sin(ANGLES) / 20.0)
    assert arcs_mm(ellipse[None]).sum() == pytest.approx(158.654, rel=1e-3)  # 4 a E(e) by tables
    assert arcs_mm(ellipse[None])[0, 0] == pytest.approx(arcs_mm(ellipse[None])[0, N_RAYS // 2])


def test_the_endo_about_the_epi_s_middle() -> None:
    """A cavity of 20 mm that lies 3 mm to the right of its wall's middle; rays start in the cavity's."""
    epi = np.sqrt(32.0**2 - (3.0 * np.sin(ANGLES)) ** 2) - 3.0 * np.cos(ANGLES)
    about = about_epi_mm(np.full((1, N_RAYS), 20.0), epi[None])[0]
    assert about[0] == pytest.approx(23.0, abs=0.02)
    assert about[N_RAYS // 2] == pytest.approx(17.0, abs=0.02)
    assert about[N_RAYS // 4] == pytest.approx(np.sqrt(20.0**2 - 3.0**2), abs=0.02)
