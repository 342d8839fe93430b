"""Ask a DICOMweb server for studies, and take what is new."""

from __future__ import annotations

import threading
from datetime import date

import requests

from pipeline.app.node.dicomweb import WebObject, WebServer
from pipeline.app.node.intake import Answer, Intake
from pipeline.app.node.places import Source

__all__ = ["Poller"]

_LATER = (Answer.NO_SPACE, Answer.TOO_FAST)


class Poller:
    """Asks one server.

    Args:
        source: which, and how often.
        server: the server.
        intake: keeps what is new.
    """

    def __init__(self, source: Source, server: WebServer, intake: Intake) -> None:
        self._source, self._server, self._intake = source, server, intake
        self._refused: set[str] = set()

    def run(self, ends: threading.Event) -> None:
        """Ask until the node ends."""
        while not ends.is_set():
            self.ask(ends)
            ends.wait(self._source.every_s)

    def ask(self, ends: threading.Event) -> int:
        """Take all that is new, and count it. What cannot be had now is asked for again, and holds up nothing else."""
        n_taken, missed = 0, set()
        try:
            for one in self._server.images(days=self._source.days, today=date.today()):
                if ends.is_set():
                    break
                if one.uid in self._refused or self._intake.queue.knows(one.uid):
                    continue
                answer = self._take(one)
                if answer in _LATER:
                    break
                n_taken += answer is Answer.KEPT
                if answer is None:
                    missed.add(one.study)
        except (requests.RequestException, ValueError) as error:  # no answer, or one that is none
            self._tell("source not reached", error)
        self._server.look_again(missed)
        return n_taken

    def _take(self, one: WebObject) -> Answer | None:
        """Take an object; `None` where the server does not give it."""
        try:
            content = self._server.get(one)
        except (requests.ConnectionError, requests.Timeout):
            raise
        except Exception as error:  # noqa: BLE001 an object that is none raises whatever the libraries meet in it
            self._tell("object not given by its source", error)
            return None
        answer = self._intake.take(content, caller=f"dicomweb:{self._source.server}", uid=one.uid)
        if answer not in (Answer.KEPT, *_LATER):
            self._refused.add(one.uid)
        return answer

    def _tell(self, event: str, error: Exception) -> None:
        self._intake.journal.tell(event, source=self._source.server, error=error)
