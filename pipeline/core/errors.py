"""The one error tree. Every message says what was needed, what came, and in which file.

::

    PipelineError                 base: catch this to let the rest of a batch go on
    |-- InputError                a file or folder cannot be used (`path` names it)
    |   |-- UnreadableError       truncated, not an image, no pixel data, cannot be decoded
    |   |-- HeaderError           a header contradicts itself or lacks what is needed
    |   |-- LatticeError          a slice or phase is missing, doubled, or unevenly spaced
    |   `-- DatasetError          a data set's folder or list is not in the form declared
    |-- LabelError                a label map holds values its scheme does not declare
    |-- GridError                 two images that must share a grid do not
    |-- ConfigError               a configuration name or value is unknown or inconsistent
    `-- BundleError               a bundle is incomplete, or does not fit this version
"""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = [
    "BundleError",
    "ConfigError",
    "DatasetError",
    "GridError",
    "HeaderError",
    "InputError",
    "LabelError",
    "LatticeError",
    "PipelineError",
    "UnreadableError",
    "first_line",
    "own_error",
    "tell",
    "visible",
]

_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; free some space, or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "; choose another place, or ask for the right to use it"),
    errno.EROFS: "; it may only be read, choose another place",
    errno.ENOENT: "; it is not there, or nothing can be made there",
}


class PipelineError(Exception):
    """Base of all errors this library raises on purpose."""


class InputError(PipelineError):
    """A file or folder cannot be used.

    Args:
        message: one sentence: what was needed, what came, how to fix it.
        path: the file or folder concerned, appended to the message.
    """

    def __init__(self, message: str, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        told = message if path is None else f"{message} [{path}]"
        super().__init__("\n".join(map(visible, told.split("\n"))))


class UnreadableError(InputError):
    """Truncated, not an image, without pixel data, or not decodable."""


class HeaderError(InputError):
    """A header contradicts itself or lacks what is needed."""


class LatticeError(InputError):
    """A slice or phase is missing, doubled, or unevenly spaced."""


class DatasetError(InputError):
    """A data set's folder or list is not in the form declared."""


class LabelError(PipelineError):
    """A label map holds values that its scheme does not declare."""


class GridError(PipelineError):
    """Two images that must share a grid do not."""


class ConfigError(PipelineError):
    """A configuration name or value is unknown or inconsistent."""


class BundleError(PipelineError):
    """A bundle is incomplete, or does not fit this version of the library."""


def own_error(error: BaseException) -> PipelineError | OSError | None:
    """Find our own error, or the operating system's, inside the exceptions that wrap it, as MONAI's transforms do.

    Args:
        error: the exception that was caught.

    Returns:
        The first error of this tree, or of the operating system (no space, no permission), along the chain of causes.
        `None` if there is neither.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PipelineError | OSError):
        cause = cause.__cause__
    return cause


def tell(error: PipelineError | OSError) -> str:
    """Say an error in one sentence: our own as it is, the operating system's with its file and what to do about it.

    >>> tell(OSError(28, "No space left on device", "out/a.json"))
    'the disk cannot be used: No space left on device; free some space, or choose another place [out/a.json]'
    >>> tell(OSError(13, "Permission denied"))
    'the disk cannot be used: Permission denied; choose another place, or ask for the right to use it'
    """
    if isinstance(error, PipelineError) or error.strerror is None:
        return str(error)
    advice = _ADVICE.get(error.errno or 0, "")
    place = f" [{error.filename}]" if error.filename else ""
    return f"the disk cannot be used: {error.strerror}{advice}{place}"


def first_line(error: BaseException) -> str:
    r"""The first line of what an error says, characters that are not to be seen left out; its kind where it is silent.

    >>> first_line(ValueError("no.\nReally, no.")), first_line(EOFError()), first_line(ValueError("\x1b[31mred"))
    ('no.', 'EOFError', '[31mred')
    """
    lines = str(error).strip().splitlines()
    return visible(lines[0]) if lines else type(error).__name__


def visible(text: str) -> str:
    r"""What is to be seen of a text from a file: breaks of lines, escapes of a terminal and their like are left out.

    >>> visible("1.2\n\x1b[31m3"), visible("Größe 心")
    ('1.2[31m3', 'Größe 心')
    """
    return "".join(filter(str.isprintable, text))
