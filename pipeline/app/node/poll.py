"""Ask a DICOMweb server for studies, and take what is new."""

from __future__ import annotations

import threading
from datetime import date

import requests

from pipeline.app.node.dicomweb import WebServer
from pipeline.app.node.intake import Answer, Intake
from pipeline.app.node.places import Source

__all__ = ["Poller"]


class Poller:
    """Asks one server.

    Args:
        source: which, and how often.
        server: the server.
        intake: keeps what is new.
    """

    def __init__(self, source: Source, server: WebServer, intake: Intake) -> None:
        self._source, self._server, self._intake = source, server, intake
        self._seen: set[str] = set()

    def run(self, ends: threading.Event) -> None:
        """Ask until the node ends."""
        while not ends.is_set():
            self.ask(ends)
            ends.wait(self._source.every_s)

    def ask(self, ends: threading.Event) -> int:
        """Take all that is new, and count it. What cannot be had now is asked for again."""
        n_taken = 0
        try:
            for one in self._server.images(days=self._source.days, today=date.today()):
                if ends.is_set():
                    break
                if one.uid in self._seen or self._intake.queue.knows(one.uid):
                    continue
                answer = self._intake.take(self._server.get(one), caller=f"dicomweb:{self._source.server}", uid=one.uid)
                if answer is Answer.NO_SPACE:
                    break
                self._seen.add(one.uid)
                n_taken += answer is Answer.KEPT
        except requests.RequestException as error:
            self._intake.journal.tell("source not reached", source=self._source.server, error=type(error).__name__)
        return n_taken
