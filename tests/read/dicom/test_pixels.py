"""Pixels: stored values, inversion and transfer syntaxes."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from pipeline.core.errors import UnreadableError
from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.pixels import read_pictures, read_pixels


def _pictures(path):
    frames = read_frames([path]).frames
    return read_pictures(path, frames)


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [("uint8", 8, [255, 254, 0]), ("uint16", 12, [4095, 4094, 3840]), ("int16", 16, [-1, -2, -256])],
)
def test_monochrome1_is_turned(study, dtype, stored, expected):
    pixels = np.array([[0, 1, 255]], dtype=dtype)
    path = study.image(
        0, 0, pixels=pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=stored, HighBit=stored - 1
    )
    (found,) = _pictures(path)
    assert found.dtype == dtype
    assert found.tolist() == [expected]


def test_monochrome1_is_turned_before_rescaling(study):
    pixels = np.array([[0, 255]], dtype="uint8")
    path = study.image(0, 0, pixels=pixels, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=1)
    assert _pictures(path)[0].tolist() == [[511.0, 1.0]]


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_spare_high_bits_are_ignored_as_pydicom_does(study, dtype):
    pixels = np.array([[0x0FFF, 0x7001, 0x0800, 5]], dtype=dtype)
    path = study.image(0, 0, pixels=pixels, BitsStored=12, HighBit=11)
    (found,) = _pictures(path)
    assert found.tolist() == ([[4095, 1, 2048, 5]] if dtype == "uint16" else [[-1, 1, -2048, 5]])
    np.testing.assert_array_equal(found, read_pixels(path)[0])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_every_syntax_gives_the_same_picture(study, phase_picture, syntax):
    path = study.image(2, 1)
    made = pydicom.dcmread(path)
    if syntax == RLELossless:
        made.compress(RLELossless)
        made.save_as(path)
    else:
        made.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            made.PixelData = phase_picture(2, 1).astype(">i2").tobytes()
        pydicom.dcmwrite(path, made, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    (found,) = _pictures(path)
    np.testing.assert_array_equal(found, phase_picture(2, 1))


def test_truncated_compressed_pixels_are_refused(study):
    path = study.image(2, 1, pixels=np.arange(64 * 64, dtype=np.int16).reshape(64, 64))
    made = pydicom.dcmread(path)
    made.compress(RLELossless)
    made.save_as(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UnreadableError) as caught:
        _pictures(path)
    assert caught.value.path == path


def test_file_without_preamble_or_meta_is_read(study, phase_picture):
    path = study.image(2, 1)
    made = pydicom.dcmread(path)
    bare = path.with_name("bare")
    with bare.open("wb") as stream:
        pydicom.filewriter.write_dataset(_implicit(stream), made)
    (found,) = _pictures(bare)
    np.testing.assert_array_equal(found, phase_picture(2, 1))


def _implicit(stream):
    wrapped = pydicom.filebase.DicomFileLike(stream)
    wrapped.is_implicit_VR = wrapped.is_little_endian = True
    return wrapped


def test_picture_of_another_size_than_stated_is_refused(study):
    path = study.image(0, 0, PhotometricInterpretation="MONOCHROME1", pixels=np.zeros((4, 4), np.uint8))
    (frame,) = read_frames([path]).frames
    study.written.clear()
    study.image(0, 0, PhotometricInterpretation="MONOCHROME1", pixels=np.zeros((2, 4), np.uint8))
    with pytest.raises(UnreadableError, match=r"must hold \(1, 4, 4\).*got \(1, 2, 4\)"):
        read_pictures(path, [frame])


def test_what_a_header_says_does_not_break_the_sentence(study):
    path = study.image(0, 0, PhotometricInterpretation="MONOCHROME2")
    path.write_bytes(path.read_bytes().replace(b"MONOCHROME2 ", b"MONO\n\x1b[31m2 "))
    with pytest.raises(UnreadableError, match="pixel data must decode, got ") as caught:
        _pictures(path)
    assert str(caught.value).isprintable()


def test_bits_up_to_the_higher_of_two_statements_are_read(study):
    pixels = np.array([[0x0FFF, 0x7001]], np.uint16)
    assert _pictures(study.image(0, 0, pixels=pixels, BitsStored=1, HighBit=11))[0].tolist() == [[4095, 1]]
    assert _pictures(study.image(1, 0, pixels=pixels, BitsStored=12, HighBit=15))[0].tolist() == [[4095, 0x7001]]
    for high in (16, None):
        path = study.image(2, 0, pixels=pixels, BitsStored=12, HighBit=high)
        assert read_frames([path]).frames[0].native is None


def test_bits_that_contradict_each_other_in_an_inverted_picture_are_refused(study):
    pixels = np.array([[1, 2]], np.uint16)
    path = study.image(0, 0, pixels=pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=15)
    with pytest.raises(UnreadableError, match="HighBit must be one below BitsStored, got 15 and 12"):
        _pictures(path)


def test_real_transfer_syntaxes_decode_alike(cmr_data):
    paths = sorted((cmr_data / "dicom_samples" / "transfer_syntaxes").glob("*.dcm"))
    pictures = [_pictures(path)[0] for path in paths]
    assert len(pictures) == 5
    assert pictures[0].max() > pictures[0].min()
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_real_native_pixels_equal_pydicoms(cmr_data):
    for path in sorted((cmr_data / "sunnybrook" / "dicom" / "SCD0000101").glob("*.dcm"))[::40]:
        np.testing.assert_array_equal(_pictures(path)[0], read_pixels(path)[0])
