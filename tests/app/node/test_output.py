"""What a node prints: lines of JSON that quote nobody."""

from __future__ import annotations

import io
import json
import sys
import threading
import warnings

import pytest

from pipeline.app.node.journal import say
from pipeline.app.node.output import only_json

SECRET = "Marker^Jane 19500101"


def test_nothing_that_a_library_prints_warns_of_or_dies_of_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    excepthook = threading.excepthook

    def die() -> None:
        raise ValueError(SECRET)

    with warnings.catch_warnings(), only_json():
        warnings.simplefilter("always")
        print(SECRET)
        print(SECRET, file=sys.stderr)
        warnings.warn(f"Invalid value for VR PN: {SECRET}", stacklevel=1)
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()
        try:
            die()
        except ValueError as error:
            say("something failed", error=error, study="s1f0c")
    assert sys.stderr is stream
    assert threading.excepthook is excepthook
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "Marker" not in stream.getvalue()
    events = [line["event"] for line in lines]
    assert events.count("output of a library") == 2
    assert {"message of a library", "thread ended", "something failed"} <= set(events)
    told = lines[events.index("something failed")]
    assert (told["error"], told["study"]) == ("ValueError", "s1f0c")
    assert told["where"].startswith("app/node/test_output.py:")  # enough to find it


def test_a_closed_standard_error_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with only_json():
        stream.close()
        say("something")
        print("something")
