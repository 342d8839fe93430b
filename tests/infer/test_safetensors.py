"""Weights as safetensors: the same tensors, digests checked, damage told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer import weights
from pipeline.infer.weights import load_weights, read_weights, replace_weights, save_whole

pytest.importorskip("safetensors")


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_what_is_written_is_read_and_the_same_states_are_the_same_bytes(
    tmp_path: Path, network: torch.nn.Module, name: str
) -> None:
    for place in ("one", "other"):
        replace_weights(network.state_dict(), tmp_path / place / name)
    save_whole(network.state_dict(), tmp_path / f"renamed-{name}")
    assert same(read_weights(tmp_path / "one" / name), network.state_dict())
    written = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 1


def test_half_precision_is_converted_and_a_changed_file_refused(tmp_path: Path, network: torch.nn.Module) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    safe = tmp_path / "models" / "model.safetensors"
    replace_weights({name: value.half() for name, value in network.state_dict().items()}, safe, bundle_root=tmp_path)
    other = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))
    load_weights(other, safe, bundle_root=tmp_path)
    assert torch.equal(other[0].weight, network[0].weight.half().float())
    assert list(json.loads((tmp_path / "configs" / "metadata.json").read_text())["weights_sha256"]) == [
        "models/model.safetensors"
    ]
    content = bytearray(safe.read_bytes())
    content[-1] ^= 1
    safe.write_bytes(bytes(content))
    with pytest.raises(BundleError, match="SHA-256 differs"):
        load_weights(other, safe, bundle_root=tmp_path)


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    save_whole({"a": whole, "b": whole, "c": whole.T}, tmp_path / "a.safetensors")
    assert same(read_weights(tmp_path / "a.safetensors"), {"a": whole, "b": whole, "c": whole.T.contiguous()})


@pytest.mark.parametrize("content", [b"", b"\xff" * 8 + b"{}", b"\x02" + bytes(7) + b"{}x", b"PK torch's"])
def test_what_is_no_such_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match=r"no weights can be read from .*a\.safetensors") as caught:
        read_weights(tmp_path / "a.safetensors")
    assert "\n" not in str(caught.value)


def test_without_the_library_the_way_to_it_is_told(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_whole(network.state_dict(), tmp_path / "a.safetensors")
    monkeypatch.setattr(weights, "find_spec", lambda _name: None)
    for use in (lambda: read_weights(tmp_path / "a.safetensors"), lambda: save_whole({}, tmp_path / "b.safetensors")):
        with pytest.raises(ConfigError, match=r"pip install 'cardiac-mr-pipeline\[safetensors\]'"):
            use()
