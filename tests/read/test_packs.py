"""Packs: what was written comes back, and what is damaged is refused by name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import DatasetError, UnreadableError
from pipeline.core.prepared import PreparedStack, quantise
from pipeline.read.cine import read_cine
from pipeline.read.datasets import load_datalist
from pipeline.read.packs import is_pack, pack_cases, read_pack_header, read_packed_stacks
from pipeline.write.packs import write_pack


def make_stack(seed: int, *, n_slices: int = 4, phase: str = "ED") -> PreparedStack:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(n_slices, 37, 23)).astype(np.float32)
    label = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), size=image.shape)
    return PreparedStack(**quantise(image, bits=16), label=label, spacing_mm=(1.25, 1.5, 8), patient="p", phase=phase)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    facts = [{"group": "NOR", "twins": ["q"]}, {"group": "HCM", "twins": []}]
    write_pack(tmp_path / "a.pack", [make_stack(0), make_stack(1, phase="ES")], facts, preparation=["x"], bits=16)
    return tmp_path / "a.pack"


def test_sixteen_bits_come_back_exactly(pack: Path) -> None:
    second, first = read_packed_stacks(pack, [1, 0])
    for found, written in ((first, make_stack(0)), (second, make_stack(1, phase="ES"))):
        np.testing.assert_array_equal(found.stored, written.stored)
        np.testing.assert_array_equal(found.label, written.label)
        np.testing.assert_allclose(found.image, written.image, atol=1e-6)
        assert (found.spacing_mm, found.patient, found.phase) == ((1.25, 1.5, 8), "p", written.phase)


@pytest.mark.parametrize("bits", [1, 7, 8, 12])
def test_rounding_is_measured(tmp_path: Path, bits: int) -> None:
    stack = make_stack(2)
    measured = write_pack(tmp_path / "b.pack", [stack], [{}], preparation=[], bits=bits)
    (found,) = read_packed_stacks(tmp_path / "b.pack", [0])
    change = found.image.astype(np.float64) - stack.image
    assert measured["rounding_rms"] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-3)
    assert np.abs(change).max() <= (stack.image.max() - stack.image.min()) / (2**bits - 1) / 2 * 1.001
    assert measured["megabytes"] == (tmp_path / "b.pack").stat().st_size / 1e6


def test_a_data_list_tells_what_the_pack_tells(pack: Path) -> None:
    cases = load_datalist(pack)
    assert [(case["patient"], case["phase"], case["group"], case["twins"], case["pack_index"]) for case in cases] == [
        ("p", "ED", "NOR", ["q"], 0),
        ("p", "ES", "HCM", [], 1),
    ]
    assert cases[0]["spacing"] == (1.25, 1.5, 8)
    assert is_pack(pack)


def test_a_pack_is_no_image(pack: Path) -> None:
    with pytest.raises(UnreadableError, match="prepared slices to train on"):
        read_cine(pack)


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pack").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.pack", "w") as archive:
        archive.writestr("pack.json", json.dumps({"pack": 99}))
    for name, reason in (("text", "not"), ("other", "format 1"), ("missing", "not")):
        with pytest.raises(DatasetError, match=reason):
            read_pack_header(tmp_path / f"{name}.pack")
    assert not is_pack(tmp_path / "text.pack")


def test_damage_is_refused_by_name(pack: Path, tmp_path: Path) -> None:
    def changed(name: str, content: bytes | None) -> Path:
        path = tmp_path / "changed.pack"
        with zipfile.ZipFile(pack) as source, zipfile.ZipFile(path, "w") as target:
            for entry in source.namelist():
                kept = content if entry == name else source.read(entry)
                if kept is not None:
                    target.writestr(entry, kept)
        return path

    for path in (changed("images/00000.jp2", b"no picture"), changed("labels/00000.png", None)):
        with pytest.raises(DatasetError, match=r"damaged.*changed.pack"):
            read_packed_stacks(path, [0])
    header = read_pack_header(pack)
    header["stacks"][0]["n_slices"] = 5
    with pytest.raises(DatasetError, match="damaged"):
        read_packed_stacks(changed("pack.json", json.dumps(header).encode()), [0])


def test_nothing_is_refused_and_no_part_is_left(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least one"):
        write_pack(tmp_path / "c.pack", [], [], preparation=[])
    write_pack(tmp_path / "c.pack", [make_stack(0)], [{}], preparation=[])
    assert pack_cases(tmp_path / "c.pack")[0]["phase"] == "ED"
    assert [path.name for path in tmp_path.iterdir()] == ["c.pack"]


def test_cases_of_a_pack_name_it_and_their_stacks(pack: Path) -> None:
    shared = {"image": str(pack), "label": str(pack), "scheme": "cmr", "patient": "p", "spacing": (1.25, 1.5, 8)}
    assert pack_cases(pack) == [
        {**shared, "phase": "ED", "group": "NOR", "twins": ["q"], "pack_index": 0},
        {**shared, "phase": "ES", "group": "HCM", "twins": [], "pack_index": 1},
    ]
    assert isinstance(pack_cases(pack)[0]["spacing"], tuple)


def test_cases_of_a_pack_are_sorted_by_patient_and_phase(tmp_path: Path) -> None:
    stacks = [make_stack(0, phase="ES"), make_stack(1)]
    write_pack(tmp_path / "a.pack", stacks, [{}, {}], preparation=[])
    assert [case["pack_index"] for case in load_datalist(tmp_path / "a.pack")] == [1, 0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "a pack must be of format 1; make it again with `cmr pack`"),
        ({"pack": 2}, "a pack must be of format 1; make it again with `cmr pack`"),
        ({}, "a pack must be of format 1; make it again with `cmr pack`"),
    ],
)
def test_a_pack_of_another_format_is_named(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "a.pack"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pack.json", json.dumps(content))
    assert is_pack(path)
    with pytest.raises(DatasetError) as caught:
        pack_cases(path)
    assert str(caught.value) == f"{told} [{path}]"


@pytest.mark.parametrize("kind", ["text", "other zip", "folder", "nothing", "no json"])
def test_what_is_no_pack_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.pack"
    if kind == "text":
        path.write_text("no zip")
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("pack.json" if kind == "no json" else "other.json", "{")
    assert is_pack(path) is (kind == "no json")
    with pytest.raises(DatasetError) as caught:
        read_pack_header(path)
    assert str(caught.value).startswith("a pack must be a file that `cmr pack` wrote, this one is not (")
    assert caught.value.path == path


@pytest.mark.parametrize("entry", ["images/00001.jp2", "labels/00001.png", "images/00001.jp2 broken"])
def test_a_stack_that_is_gone_or_broken_is_told_and_the_others_are_read(pack: Path, tmp_path: Path, entry: str) -> None:
    damaged = tmp_path / "damaged.pack"
    with zipfile.ZipFile(pack) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            if name != entry.split()[0]:
                target.writestr(name, source.read(name))
            elif "broken" in entry:
                target.writestr(name, b"no picture")
    np.testing.assert_array_equal(read_packed_stacks(damaged, [0])[0].stored, make_stack(0).stored)
    with pytest.raises(DatasetError) as caught:
        read_packed_stacks(damaged, [0, 1])
    assert str(caught.value).startswith("the pack is damaged (")
    assert str(caught.value).endswith(f"); make it again with `cmr pack` [{damaged}]")
