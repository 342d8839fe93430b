"""The error tree: what a batch may catch, the path in the message, and ours beneath what others wrapped around it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pipeline.core import errors
from pipeline.core.errors import (
    GridError,
    HeaderError,
    InputError,
    PipelineError,
    UnreadableError,
    first_line,
    own_error,
    tell,
)

TREE = [one for name in errors.__all__ if isinstance(one := getattr(errors, name), type)]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_is_caught_by_the_base(kind: type[PipelineError]) -> None:
    with pytest.raises(PipelineError, match="what came"):
        raise kind("what came")


def test_what_is_wrong_with_a_file_is_an_input_error() -> None:
    of_files = {kind.__name__ for kind in TREE if issubclass(kind, InputError)}
    assert of_files == {"InputError", "UnreadableError", "HeaderError", "LatticeError", "DatasetError"}


def test_the_path_stands_behind_the_message() -> None:
    error = HeaderError("needs a spacing", "a/b.dcm")
    assert str(error) == "needs a spacing [a/b.dcm]"
    assert error.path == Path("a/b.dcm")


def test_without_a_path_the_message_stands_alone() -> None:
    error = UnreadableError("needs pixels")
    assert str(error) == "needs pixels"
    assert error.path is None


def _wrapped(inner: BaseException, *, depth: int) -> BaseException:
    """`inner` as the cause of a chain of `depth` foreign errors."""
    for number in range(depth):
        outer = RuntimeError(f"wrapper {number}")
        outer.__cause__ = inner
        inner = outer
    return inner


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("inner", [GridError("ours"), FileNotFoundError("the disk's")])
def test_ours_and_the_disk_s_are_found_at_any_depth(inner: Exception, depth: int) -> None:
    assert own_error(_wrapped(inner, depth=depth)) is inner


def test_the_outermost_of_ours_is_told() -> None:
    outer = GridError("outer")
    outer.__cause__ = HeaderError("inner")
    assert own_error(_wrapped(outer, depth=1)) is outer


def test_foreign_errors_are_not_ours() -> None:
    assert own_error(_wrapped(ValueError("a defect"), depth=2)) is None


def test_a_message_shows_what_a_file_says_and_does_not_do_it() -> None:
    told = str(InputError("series 1.2\x1b[2J\x07 is not one\r", Path("a\x1b[31m.dcm")))
    assert told == "series 1.2[2J is not one [a[31m.dcm]"
    assert str(InputError("first fault\nsecond fault")) == "first fault\nsecond fault"  # a list


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (HeaderError("needs a spacing", "a/b.dcm"), "needs a spacing [a/b.dcm]"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a.json"),
            "the disk cannot be used: No space left on device; free some space, or choose another place [out/a.json]",
        ),
        (
            OSError(errno.EDQUOT, "Quota exceeded"),
            "the disk cannot be used: Quota exceeded; free some space, or choose another place",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "a"),
            "the disk cannot be used: Permission denied; choose another place, or ask for the right to use it [a]",
        ),
        (
            OSError(errno.EROFS, "Read-only"),
            "the disk cannot be used: Read-only; it may only be read, choose another place",
        ),
        (
            OSError(errno.ENOENT, "No such file", "a"),
            "the disk cannot be used: No such file; it is not there, or nothing can be made there [a]",
        ),
        (OSError(errno.EIO, "Input/output error", "a"), "the disk cannot be used: Input/output error [a]"),
        (OSError("of no number"), "of no number"),
    ],
)
def test_the_disk_s_errors_are_told_with_what_to_do(error: PipelineError | OSError, told: str) -> None:
    assert tell(error) == told


def test_the_first_line_of_an_error_or_its_kind() -> None:
    assert first_line(ValueError("\n first \nsecond")) == "first "
    assert first_line(ValueError("\x1b[31mred")) == "[31mred"
    assert first_line(EOFError()) == "EOFError"
    assert first_line(ValueError("  ")) == "ValueError"
