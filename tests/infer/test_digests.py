import hashlib
import json
from pathlib import Path

import pytest

from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError
from pipeline.infer.digests import WEIGHTS_DIGESTS, announce_digest, check_digest, state_digest


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


def test_while_weights_are_replaced_the_old_and_the_new_are_the_bundles_own(bundle: Path) -> None:
    weights, new = bundle / "models" / "model.pt", bundle / "models" / "new"
    state_digest(bundle, weights)
    for content in (b"killed before", b"taken"):
        new.write_bytes(content)
        announce_digest(bundle, weights, new)
        check_digest(bundle, weights)
    new.replace(weights)
    check_digest(bundle, weights)
    weights.write_bytes(b"others")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        check_digest(bundle, weights)
    weights.write_bytes(b"taken")
    state_digest(bundle, weights)
    stated = json.loads((bundle / "configs" / "metadata.json").read_text())[WEIGHTS_DIGESTS]
    assert stated == {"models/model.pt": hashlib.sha256(b"taken").hexdigest()}


def test_unstated_weights_stay_the_users_own_until_they_are_replaced(bundle: Path) -> None:
    weights, new = bundle / "models" / "model.pt", bundle / "models" / "new"
    new.write_bytes(b"new")
    announce_digest(bundle, weights, new)
    check_digest(bundle, weights)
    weights.unlink()
    announce_digest(bundle, weights, new)
    new.replace(weights)
    check_digest(bundle, weights)
