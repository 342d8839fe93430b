"""Every message that the program may end with has a kind, and every kind its advice."""

from __future__ import annotations

import re

import pytest

from tools.docs.commands import DocumentationError
from tools.docs.messages import KINDS, Kind, Message, collect_messages, error_classes, kind_of
from tools.docs.pages import ROOT

MESSAGES = collect_messages(ROOT / "pipeline")


def test_all_classes_of_errors_have_a_kind() -> None:
    named = {name for kind in KINDS for name in kind.errors}
    assert set(error_classes()) == named, "a class of pipeline.core.errors and KINDS of tools/docs/messages.py differ"


def test_a_message_of_no_kind_says_what_is_missing() -> None:
    with pytest.raises(DocumentationError, match=r"NodeError .*KINDS.*troubleshooting\.md"):
        kind_of(Message("the queue is full", "NodeError", "app/node"))


def test_messages_are_found_and_have_a_kind() -> None:
    assert len(MESSAGES) > 300
    assert {kind_of(message) for message in MESSAGES} == set(KINDS)
    assert any(message.text.startswith("a NIfTI file was expected here") for message in MESSAGES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.anchor)
def test_each_kind_has_advice(kind: Kind) -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    assert f"## {kind.title}\n" in page, "docs/troubleshooting.md lacks this section"
    sections = dict(re.findall(r"^## (.+)\n\n((?:(?!## ).*\n)+)", page, re.MULTILINE))
    assert len(sections[kind.title].split()) > 15
