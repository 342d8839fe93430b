"""A hundred damaged studies: each is read as it truly is, with a note, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.corpus import corpus
from tests.fuzz.oracle import Bench


@pytest.mark.filterwarnings("ignore")
def test_the_corpus_is_read_as_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for study in corpus():
        bench.usual_notes(study)


@pytest.mark.filterwarnings("ignore")
def test_damage_never_passes_in_silence(tmp_path: Path) -> None:
    judged = list(campaign(tmp_path, range(95), seed=0))
    found = [(name, number, told, verdict.told) for name, number, told, verdict in judged if verdict.is_finding]
    assert found == []
    assert {verdict.outcome for *_, verdict in judged} == {"same", "noted", "refused"}
