"""What the server refuses, with its HTTP status; the sentence is the reader's."""

from __future__ import annotations

from typing import Any

from pipeline.core.errors import PipelineError

__all__ = ["RefusedError"]


class RefusedError(PipelineError):
    """A request that is refused.

    Args:
        status: of HTTP.
        sentence: why.
        more: further keys of the answer, as `revision`.
    """

    def __init__(self, status: int, sentence: str, **more: Any) -> None:
        super().__init__(sentence)
        self.status, self.more = status, more

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": str(self), **self.more}
