import hashlib
import json
from pathlib import Path

import pytest

from pipeline.core.errors import BundleError
from pipeline.infer.digests import WEIGHTS_DIGESTS, check_digest, file_digest, state_digest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text('{"version": "1"}')
    (tmp_path / "models" / "model.pt").write_bytes(b"abc")
    return tmp_path


def test_the_digest_is_sha256(bundle: Path) -> None:
    assert file_digest(bundle / "models" / "model.pt") == hashlib.sha256(b"abc").hexdigest()


def test_stated_weights_pass_and_changed_ones_are_refused(bundle: Path) -> None:
    weights = bundle / "models" / "model.pt"
    state_digest(bundle, weights)
    check_digest(bundle, weights)
    assert json.loads((bundle / "configs" / "metadata.json").read_text())["version"] == "1"
    weights.write_bytes(b"abd")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        check_digest(bundle, weights)
    state_digest(bundle, weights)  # as a training does that saves better weights
    check_digest(bundle, weights)


def test_weights_elsewhere_and_metadata_that_state_none_are_let_be(bundle: Path, tmp_path: Path) -> None:
    check_digest(bundle, bundle / "models" / "model.pt")
    outside = tmp_path.parent / "outside.pt"
    outside.write_bytes(b"xyz")
    state_digest(bundle, outside)
    check_digest(bundle, outside)
    assert WEIGHTS_DIGESTS not in json.loads((bundle / "configs" / "metadata.json").read_text())
