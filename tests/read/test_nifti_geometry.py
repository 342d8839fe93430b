"""Headers that contradict themselves: repaired by rule, noted, or refused."""

from __future__ import annotations

import logging

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import HeaderError
from pipeline.read.nifti_geometry import resolve_affine, seven_digits

TURN = np.array([[0.8, -0.6, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0, 0, 0, 1]])


def placed(spacing=(1.5, 1.5, 8.0), origin=(-100.0, -90.0, 20.0), turn=TURN) -> np.ndarray:
    affine = turn @ np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def header(*, sform=None, qform=None, zooms=None, units="mm") -> nib.Nifti1Header:
    made = nib.Nifti1Header()
    made.set_data_shape((100, 100, 10))
    if qform is not None:
        made.set_qform(qform, code=1)
    if sform is not None:
        made.set_sform(sform, code=1)
    if zooms is not None:
        made["pixdim"][1:4] = zooms
    elif sform is not None and qform is None:
        made["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
    made.set_xyzt_units(units)
    return made


def test_agreeing_forms_pass_without_a_note() -> None:
    affine, notes = resolve_affine(header(sform=placed(), qform=placed()))
    np.testing.assert_allclose(affine, placed(), atol=1e-5)
    assert notes == ()


def test_qform_alone_is_taken() -> None:
    affine, notes = resolve_affine(header(qform=placed()))
    np.testing.assert_allclose(affine, placed(), atol=1e-5)
    assert notes == ()


def test_sheared_sform_agrees_with_its_own_columns() -> None:
    sheared = placed()
    sheared[:3, 2] += 0.2 * sheared[:3, 0]
    affine, notes = resolve_affine(header(sform=sheared))
    np.testing.assert_allclose(affine, sheared, atol=1e-5)
    assert notes == ()


def test_acdc_rule(caplog: pytest.LogCaptureFixture) -> None:
    lying = header(sform=np.diag([-1.0, -1.0, 1.0, 1.0]), zooms=(1.36719, 1.36719, 10.0), units="unknown")
    with caplog.at_level(logging.DEBUG):
        affine, notes = resolve_affine(lying, path="x.nii")
    assert affine.tolist() == np.diag([-1.36719, -1.36719, 10.0, 1.0]).tolist()
    assert notes == (
        "affine rescaled from 1 x 1 x 1 mm to pixdim's 1.36719 x 1.36719 x 10 mm (the header contradicts itself)",
    )
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    with pytest.raises(HeaderError, match="one spacing"):
        resolve_affine(lying, repair=None)


@pytest.mark.parametrize("units", ["mm", "unknown"])
def test_what_is_not_acdc_is_not_repaired(units: str) -> None:
    moved = np.diag([-1.0, -1.0, 1.0, 1.0])
    moved[0, 3] = 5.0 if units == "unknown" else 0.0  # a known unit, or an origin, is a placement someone meant
    with pytest.raises(HeaderError, match="one spacing"):
        resolve_affine(header(sform=moved, zooms=(1.4, 1.4, 10.0), units=units))


def test_true_unit_spacing_is_no_contradiction() -> None:
    affine, notes = resolve_affine(header(sform=np.diag([-1.0, -1.0, 1.0, 1.0]), units="unknown"))
    assert affine.diagonal().tolist() == [-1.0, -1.0, 1.0, 1.0]
    assert notes == ()


@pytest.mark.parametrize(("factor", "n_notes"), [(1.0005, 0), (1.005, 1)])
def test_small_differences_of_spacing(factor: float, n_notes: int) -> None:
    _, notes = resolve_affine(header(sform=placed(), zooms=(1.5 * factor, 1.5, 8.0)))
    assert len(notes) == n_notes


def test_ambiguous_volumes_are_refused_with_the_file_named() -> None:
    with pytest.raises(
        HeaderError, match=r"sform \(1\.5, 1\.5, 8\.0\) mm, pixdim \(1\.5, 1\.5, 10\.0\) mm.*\[x\.nii\]"
    ):
        resolve_affine(header(sform=placed(), zooms=(1.5, 1.5, 10.0)), path="x.nii")
    with pytest.raises(HeaderError, match="one spacing"):
        resolve_affine(header(sform=placed(), qform=placed((1.4, 1.4, 8.0))))


def test_another_place_is_noted_and_the_sform_used(caplog: pytest.LogCaptureFixture) -> None:
    affine, notes = resolve_affine(header(sform=placed(), qform=placed(origin=(-97.0, -86.0, 20.0))))
    np.testing.assert_allclose(affine, placed(), atol=1e-5)
    assert notes == ("sform and qform place the image up to 5.0 mm apart; the sform is used, volumes are the same",)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_mirrored_forms_are_refused() -> None:
    with pytest.raises(HeaderError, match="which side is left"):
        resolve_affine(header(sform=placed(), qform=placed() @ np.diag([-1.0, 1.0, 1.0, 1.0])))


def test_neither_form_gives_spacing_and_a_note() -> None:
    affine, notes = resolve_affine(header(zooms=(1.5, 2.0, 8.0)))
    assert np.linalg.norm(affine[:3, :3], axis=0).tolist() == [1.5, 2.0, 8.0]
    assert "orientation are unknown" in notes[0]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.5])
def test_impossible_spacing_is_refused(value: float) -> None:
    with pytest.raises(HeaderError, match="3 positive spacings"):
        resolve_affine(header(sform=placed(), zooms=(1.5, value, 8.0)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_affine_is_refused(value: float) -> None:
    broken = header(sform=placed())
    broken["srow_x"][3] = value
    with pytest.raises(HeaderError, match="finite and invertible"):
        resolve_affine(broken)


def test_flat_affine_is_refused() -> None:
    broken = header(sform=placed())
    broken["srow_z"] = 0
    with pytest.raises(HeaderError, match="finite and invertible"):
        resolve_affine(broken)


def test_broken_quaternion_is_refused() -> None:
    broken = header(qform=placed())
    broken["quatern_b"] = 3.0
    with pytest.raises(HeaderError, match="unit quaternion"):
        resolve_affine(broken)


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_other_units_are_refused(unit: str) -> None:
    with pytest.raises(HeaderError, match="must be mm"):
        resolve_affine(header(sform=placed(), units=unit))


@pytest.mark.parametrize(("qfac", "sign"), [(0.0, 1), (1.0, 1), (-1.0, -1), (np.nan, 1), (2.0, 1)])
def test_qfac_of_0_counts_as_1(qfac: float, sign: int) -> None:
    made = header(qform=placed())
    made["pixdim"][0] = qfac
    affine, notes = resolve_affine(made)
    np.testing.assert_allclose(affine, placed() @ np.diag([1, 1, sign, 1]), atol=1e-5)
    assert notes == ()


@pytest.mark.parametrize("scale", [1.0 + 1e-6, 1.0001, 1.005])
def test_a_quaternion_over_one_by_rounding_is_brought_back(scale: float) -> None:
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])  # b = c = 0, d = 1
    made = header(qform=placed(turn=half_turn))
    made["quatern_d"] = scale
    affine, notes = resolve_affine(made)
    np.testing.assert_allclose(affine, placed(turn=half_turn), atol=1e-5)
    assert notes == ()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("quatern_b", 3.0, "unit quaternion"), ("quatern_c", np.nan, "unit quaternion"), ("qoffset_x", np.inf, "finite")],
)
def test_a_bad_qform_beside_a_good_sform_is_passed_over(field: str, value: float, reason: str) -> None:
    made = header(sform=placed(), qform=placed())
    made[field] = value
    affine, notes = resolve_affine(made)
    np.testing.assert_allclose(affine, placed(), atol=1e-5)
    assert len(notes) == 1
    assert "the qform is passed over" in notes[0]
    assert reason in notes[0]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_bad_sform_beside_a_good_qform_is_passed_over(value: float) -> None:
    made = header(sform=placed(), qform=placed())
    for row in "xyz":
        made[f"srow_{row}"] = value
    affine, notes = resolve_affine(made)
    np.testing.assert_allclose(affine, placed(), atol=1e-5)
    assert "the sform is passed over" in notes[0]


def test_two_bad_forms_are_refused() -> None:
    made = header(sform=placed(), qform=placed())
    made["srow_z"] = 0
    made["quatern_b"] = 3.0
    with pytest.raises(HeaderError, match=r"finite and invertible.*\[x\.nii\]"):
        resolve_affine(made, path="x.nii")


def test_the_qform_is_nibabels() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.diag([1.4, 1.5, 8.0])
        affine[:3, 3] = random.normal(size=3) * 100
        made = header(qform=affine)
        np.testing.assert_allclose(resolve_affine(made)[0], made.get_qform(), atol=1e-4)


def refusal(made: nib.Nifti1Header) -> str:
    """What is said of a header that is refused: with the file's name where there is one, and without where not."""
    with pytest.raises(HeaderError) as caught:
        resolve_affine(made, path="x.nii")
    with pytest.raises(HeaderError) as unnamed:
        resolve_affine(made)
    assert str(caught.value) == f"{unnamed.value} [x.nii]"
    assert unnamed.value.path is None
    return str(unnamed.value)


def test_refusals_in_full() -> None:
    assert refusal(header(sform=placed(), zooms=(1.5, 0.0, 8.0))) == (
        "pixdim must hold 3 positive spacings in mm, got (1.5, 0.0, 8.0)"
    )
    for unit, told in (("meter", "metres"), ("micron", "micrometres")):
        message = f"the unit of length must be mm (or unknown, taken as mm), got {told}"
        assert refusal(header(sform=placed(), units=unit)) == message
    odd = header(sform=placed())
    odd["xyzt_units"] = 5 | 16  # milliseconds, and no unit of length
    assert refusal(odd) == "the unit of length must be mm (or unknown, taken as mm), got code 5"
    assert refusal(header(sform=placed(), zooms=(1.5, 1.5, 10.0))) == (
        "sform and pixdim must state one spacing, or volumes are ambiguous: sform (1.5, 1.5, 8.0) mm, pixdim (1.5, "
        "1.5, 10.0) mm; correct the header"
    )
    assert refusal(header(sform=placed(), qform=placed() @ np.diag([-1.0, 1.0, 1.0, 1.0]))) == (
        "sform and qform must agree which side is left, but they mirror each other; correct the header"
    )
    quaternion = header(qform=placed())
    quaternion["quatern_b"] = 3.0
    assert refusal(quaternion) == "the qform must hold a unit quaternion"
    flat = header(sform=np.diag([1.5, 1.5, 8.0, 1.0]))
    flat["srow_z"] = 0
    affine = [[1.5, 0.0, 0.0, 0.0], [0.0, 1.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    assert refusal(flat) == f"the sform must be finite and invertible, got {affine}"


def test_notes_in_full(caplog: pytest.LogCaptureFixture) -> None:
    _, notes = resolve_affine(header(sform=np.diag([1.5, 1.5, 8.0, 1.0]), zooms=(1.5075, 1.5, 8.0)), path="x.nii")
    told = "two spacings are stated, the sform's is used: sform (1.5, 1.5, 8.0) mm, pixdim (1.5075, 1.5, 8.0) mm"
    assert notes == (told,)
    assert caplog.messages == [f"{told} [x.nii]"]
    _, notes = resolve_affine(header(zooms=(1.5, 2.0, 8.0)))
    assert notes == ("neither sform nor qform is coded: spacing is pixdim's, position and orientation are unknown",)
    made = header(sform=placed(), qform=placed(origin=(-97.0, -86.0, 20.0)))
    made["quatern_b"] = 3.0
    assert resolve_affine(made)[1] == (
        "the qform is passed over, for it must hold a unit quaternion; the sform is used",
    )
    made = header(sform=placed(), qform=placed())
    made["srow_x"], made["srow_y"], made["srow_z"] = 0, 0, 0
    told = [[0.0] * 4] * 3 + [[0.0, 0.0, 0.0, 1.0]]
    assert resolve_affine(made)[1] == (
        f"the sform is passed over, for it must be finite and invertible, got {told}; the qform is used",
    )


@pytest.mark.parametrize(("apart_mm", "n_notes"), [(1.0, 0), (1.25, 1)])
def test_a_millimetre_between_two_places_is_rounding(apart_mm: float, n_notes: int) -> None:
    straight = np.diag([1.5, 1.5, 8.0, 1.0])
    moved = straight.copy()
    moved[1, 3] = apart_mm
    assert len(resolve_affine(header(sform=straight, qform=moved))[1]) == n_notes


def test_places_are_compared_at_the_far_corner() -> None:
    """Turned by 0.01 around the first voxel; the last lies 99 x 1.5 and 99 x 1.5 mm away: 210 mm."""
    turn = np.array(
        [[np.cos(0.01), -np.sin(0.01), 0, 0], [np.sin(0.01), np.cos(0.01), 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    straight = np.diag([1.5, 1.5, 8.0, 1.0])
    (note,) = resolve_affine(header(sform=straight, qform=turn @ straight))[1]
    assert note == "sform and qform place the image up to 2.1 mm apart; the sform is used, volumes are the same"


@pytest.mark.parametrize(
    ("changes", "repaired"),
    [
        ({}, True),
        ({"units": "mm"}, False),
        ({"qform_code": 1}, False),
        ({"srow_x": (-1, 0, 0, 2)}, False),
        ({"srow_x": (0, -1, 0, 0), "srow_y": (1, 0, 0, 0)}, False),
        ({"zooms": (1.0, 1.0, 1.0005)}, False),  # 1 mm but for rounding
        ({"zooms": (1.0, 1.0, 1.005)}, True),
    ],
)
def test_what_is_repaired_by_acdc_s_rule(changes: dict, repaired: bool) -> None:
    zooms = changes.get("zooms", (1.0, 1.0, 1.008))
    made = header(sform=np.diag([-1.0, -1.0, 1.0, 1.0]), zooms=zooms, units=changes.get("units", "unknown"))
    made["quatern_d"] = 1.0
    for name, value in changes.items():
        if name not in ("zooms", "units"):
            made[name] = value
    affine, notes = resolve_affine(made)
    assert any("affine rescaled" in note for note in notes) is repaired
    assert affine[2, 2] == pytest.approx(zooms[2] if repaired else 1.0)
    assert "-0.0" not in str(affine.tolist()) or not repaired


@pytest.mark.parametrize(("length", "good"), [(1.009, True), (1.02, False)])
def test_how_long_a_quaternion_may_be(length: float, good: bool) -> None:
    made = header(qform=placed(turn=np.diag([-1.0, -1.0, 1.0, 1.0])))
    made["quatern_d"] = length
    if good:
        assert resolve_affine(made)[1] == ()
    else:
        assert refusal(made) == "the qform must hold a unit quaternion"


@pytest.mark.parametrize(("code", "used"), [(-1, "qform"), (0, "qform"), (1, "sform")])
def test_a_form_counts_where_its_code_is_positive(code: int, used: str) -> None:
    made = header(sform=placed(), qform=placed(origin=(-99.5, -90.0, 20.0)))
    made["sform_code"] = code
    assert resolve_affine(made)[0][0, 3] == pytest.approx(-100.0 if used == "sform" else -99.5)


def test_seven_digits_are_what_float32_holds() -> None:
    assert seven_digits(float(np.float32(1.36719))) == 1.36719
    assert seven_digits(1.23456789) == 1.234568
