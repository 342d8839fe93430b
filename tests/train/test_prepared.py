"""Cases to prepared stacks: once, by content and settings, and read back without running anything."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Compose, Lambdad, MapTransform

from pipeline.core.errors import ConfigError, DatasetError, GridError
from pipeline.core.prepared import PreparedStack
from pipeline.prepare.description import describe
from pipeline.read.packs import pack_cases
from pipeline.train.prepared import content_key, prepare_cases, prepare_stacks
from pipeline.write.packs import write_pack

SHAPE = (2, 6, 5, 3)


class Load(MapTransform):
    """Reads .npy files and multiplies them; counts how often."""

    calls = 0

    def __init__(self, keys: tuple[str, ...] = ("image", "label"), factor: float = 1.0) -> None:
        super().__init__(keys)
        self.factor = factor

    def __call__(self, data: dict) -> dict:
        type(self).calls += 1
        image, label = (torch.from_numpy(np.load(data[key])) for key in self.keys)
        return dict(data) | {"image": image * self.factor, "label": label}


def write_case(folder: Path, *, unlabelled: bool = False) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    label = np.zeros(SHAPE, dtype=np.float32)
    if unlabelled:
        label[1] = 255
    np.save(folder / "image.npy", np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE))
    np.save(folder / "label.npy", label)
    return {"image": str(folder / "image.npy"), "label": str(folder / "label.npy"), "patient": "a"}


def test_a_stack_for_each_labelled_phase(tmp_path: Path) -> None:
    case = write_case(tmp_path, unlabelled=True)
    (stack,) = prepare_stacks([case], Compose([Load()]))
    assert (stack.patient, stack.phase, stack.stored.dtype) == ("a", "t00", np.uint16)
    np.testing.assert_allclose(stack.image, np.moveaxis(np.load(case["image"])[0], -1, 0), atol=89 / 2**16)
    both = prepare_stacks([write_case(tmp_path / "both")], Compose([Load()]))
    assert [stack.phase for stack in both] == ["t00", "t01"]


def test_cache_is_used_until_content_or_settings_change(tmp_path: Path) -> None:
    case, cache = write_case(tmp_path / "data"), tmp_path / "cache"

    def prepare(factor: float = 1.0) -> tuple[int, float]:
        before = Load.calls
        stacks = prepare_stacks([case], Compose([Load(factor=factor)]), cache_dir=cache)
        return Load.calls - before, float(stacks[1].image.max())

    assert prepare() == (1, pytest.approx(179))
    assert prepare() == (0, pytest.approx(179))
    assert prepare(2.0) == (1, pytest.approx(2 * 179))
    np.save(case["image"], np.zeros(SHAPE, dtype=np.float32))
    assert prepare() == (1, 0)


def test_a_cached_file_cut_short_is_made_again(tmp_path: Path) -> None:
    case, load = write_case(tmp_path / "data"), Compose([Load()])
    before = prepare_stacks([case], load, cache_dir=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    after = prepare_stacks([case], load, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(before[0].stored, after[0].stored)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_a_cache_that_holds_code_does_not_run_it(tmp_path: Path) -> None:
    case, load = write_case(tmp_path / "data"), Compose([Load()])
    prepare_stacks([case], load, cache_dir=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    canary = tmp_path / "canary"

    class Harmful:
        def __reduce__(self) -> tuple:
            return Path.touch, (canary,)

    file.write_bytes(pickle.dumps(Harmful()))
    assert len(prepare_stacks([case], load, cache_dir=tmp_path / "cache")) == 2
    np.savez(file, entries=np.array([Harmful()], dtype=object), allow_pickle=True)
    assert len(prepare_stacks([case], load, cache_dir=tmp_path / "cache")) == 2
    assert not canary.exists()
    pickle.loads(pickle.dumps(Harmful()))
    assert canary.exists()  # it would have run


def test_many_missing_cases_are_prepared_at_once_and_the_first_bad_one_is_named(tmp_path: Path) -> None:
    cases = []
    for index in range(17):
        path = tmp_path / f"{index}.npy"
        np.save(path, np.full((1, 3, 3, 2), index, dtype=np.float32))
        cases.append({"image": str(path), "label": str(path)})
    load = Compose([Lambdad(("image", "label"), func=_load_tensor)])
    stacks = prepare_cases(cases, load, cache_dir=tmp_path / "cache", n_processes=2)
    assert [float(stack.image.max()) for (stack,) in stacks] == list(range(17))
    cases[5]["scheme"] = "bad"
    (tmp_path / "16.npy").write_bytes(b"no array")
    many = [case | {"scheme": "anew"} for case in cases]
    with pytest.raises(DatasetError, match=r"no array here \[.*16.npy\]"):
        prepare_cases(many, load, cache_dir=tmp_path / "cache", n_processes=2)


def _load_tensor(path: str) -> torch.Tensor:
    try:
        return torch.from_numpy(np.load(path))
    except ValueError as error:
        raise DatasetError("no array here", path) from error


def test_processes_import_this_library_though_another_is_called_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline.py").write_text("raise ImportError('the wrong one')")
    monkeypatch.syspath_prepend(tmp_path)  # as MONAI does with a bundle's folder
    cases = [write_case(tmp_path / str(number)) | {"number": number} for number in range(16)]
    assert len(prepare_cases(cases, Compose([Load()]), cache_dir=tmp_path / "cache", n_processes=2)) == 16


def test_processes_end_with_a_killed_parent(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    script = (
        "import os, time\n"
        "from multiprocessing import get_context\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from pipeline.train.prepared import _start_worker\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(1, get_context('spawn'), _start_worker)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not is_alive(child):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} outlives its parent")


def test_packed_and_other_cases_keep_their_order(tmp_path: Path) -> None:
    load = Compose([Load()])
    stack = PreparedStack(np.full((3, 6, 5), 7, np.uint8), 0.0, 1.0, np.zeros((3, 6, 5), np.uint8), (1, 1, 8), "p")
    write_pack(tmp_path / "a.pack", [stack], [{}], preparation=describe(load))
    case = write_case(tmp_path / "data")
    stacks = prepare_stacks([case, *pack_cases(tmp_path / "a.pack"), case | {"patient": "z"}], load)
    assert [stack.patient for stack in stacks] == ["a", "a", "p", "z", "z"]


def test_a_pack_prepared_otherwise_is_refused_with_the_difference(tmp_path: Path) -> None:
    stack = PreparedStack(np.zeros((3, 6, 5), np.uint8), 0.0, 1.0, np.zeros((3, 6, 5), np.uint8), (1, 1, 8), "p")
    write_pack(tmp_path / "a.pack", [stack], [{}], preparation=describe(Compose([Load(factor=2.0)])))
    with pytest.raises(ConfigError, match=r"transforms\[0\].factor is 2.0 and 1.0"):
        prepare_stacks(pack_cases(tmp_path / "a.pack"), Compose([Load()]))


def test_intensities_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    np.save(case["image"], np.full(SHAPE, np.nan, dtype=np.float32))
    with pytest.raises(GridError, match="finite"):
        prepare_stacks([case], Load())


def test_key_names_content_not_place(tmp_path: Path) -> None:
    first, second = write_case(tmp_path / "a"), write_case(tmp_path / "b")
    assert content_key(first) == content_key(second)
    assert content_key(first | {"scheme": "acdc"}) != content_key(first)
    assert content_key({"image": str(tmp_path / "a")}) != content_key({"image": first["image"]})
