"""Every message that the program may end with has a kind, and every kind its advice."""

from __future__ import annotations

import re

import pytest

from tools.docs.messages import KINDS, collect_messages, error_classes, kind_of
from tools.docs.pages import ROOT

MESSAGES = collect_messages(ROOT / "pipeline")


def test_all_classes_of_errors_have_a_kind() -> None:
    assert set(error_classes()) == {name for kind in KINDS for name in kind.errors}


def test_messages_are_found_and_have_a_kind() -> None:
    assert len(MESSAGES) > 300
    assert {kind_of(message) for message in MESSAGES} == set(KINDS)
    assert any(message.text.startswith("a NIfTI file was expected here") for message in MESSAGES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.anchor)
def test_each_kind_has_advice(kind: object) -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+)\n\n((?:(?!## ).*\n)+)", page, re.MULTILINE))
    assert len(sections[kind.title].split()) > 15  # type: ignore[attr-defined]
