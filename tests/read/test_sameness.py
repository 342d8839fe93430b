"""What tells one study from another."""

import hashlib

from pipeline.read.sameness import identity_of_content, identity_of_study, states_study


def test_study_and_patient_tell_studies_apart_without_naming_the_patient():
    pairs = [("1.2.3", "4711"), ("1.2.3", "4712"), ("1.2.3", ""), ("1.2.4", "4711"), ("1.2.34", "711")]
    identities = [identity_of_study(uid, patient=patient) for uid, patient in pairs]
    assert len(set(identities)) == 5
    digits = [identity.split()[-1] for identity, (_, patient) in zip(identities, pairs, strict=True) if patient]
    assert len(set(digits)) == 4  # no key to a patient's other studies
    assert all(patient not in identity.split() for identity, (_, patient) in zip(identities, pairs, strict=True))
    assert [states_study(identity, "1.2.3") for identity in identities] == [True, True, True, False, False]


def test_content_counts_and_names_and_order_do_not(tmp_path):
    names = ("a", "b", "c")
    for name, content in zip(names, (b"one", b"two", b"owt"), strict=True):
        (tmp_path / name).write_bytes(content)
    a, b, c = (tmp_path / name for name in names)
    (tmp_path / "moved").write_bytes(b"one")
    assert identity_of_content([a, b]) == identity_of_content([b, tmp_path / "moved"])
    assert identity_of_content([a, b]) != identity_of_content([a, c])  # the same sizes
    assert identity_of_content([a]) != identity_of_content([a, a])
    assert not states_study(identity_of_content([a]), "1.2.3")


def test_files_that_cannot_be_opened_are_told_by_their_place(tmp_path):
    one, two = (identity_of_content([tmp_path / name]) for name in ("gone", "lost"))
    assert one == identity_of_content([tmp_path / "gone"]) != two
    assert identity_of_content([tmp_path / "g\udcffne"]) != one


def test_identities_in_full(tmp_path):
    """They are kept in results, so they stay as they are from version to version."""
    assert identity_of_study("1.2.3", patient="") == "study 1.2.3"
    digits = hashlib.sha256(b"1.2.3 4711").hexdigest()[:12]
    assert identity_of_study("1.2.3", patient="4711") == f"study 1.2.3 patient {digits}"
    (tmp_path / "a").write_bytes(b"x" * ((1 << 20) + 1))  # more than is read at once
    content = hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    assert identity_of_content([tmp_path / "a"]) == "content " + hashlib.sha256(content.encode()).hexdigest()
    gone = f"unreadable {tmp_path.resolve() / 'gone'}"
    assert identity_of_content([tmp_path / "gone"]) == "content " + hashlib.sha256(gone.encode()).hexdigest()
