"""Commands and Python in the documentation are such that the program has."""

from __future__ import annotations

import pytest

from tools.docs.blocks import Block, check_block, collect_blocks, documents
from tools.docs.commands import DocumentationError


@pytest.mark.parametrize("block", [one for one in collect_blocks(documents()) if one.language != "text"], ids=str)
def test_a_block_is_what_the_program_takes(block: Block) -> None:
    check_block(block)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cmr segmnt STUDY -o OUT", "segmnt"),
        ("cmr segment STUDY", "Missing"),
        ("cmr report OUT/<case>", "shell"),
        ("cmr train --data D --out R --set epoch=3", "epoch"),
        ("cmr train --data D --out R --network u_net", "u_net"),
        ("make fly", "fly"),
        ("crm segment STUDY -o OUT", "crm"),
        ("python benchmarks/none.py", "none.py"),
        ("python -m monai.bundle run flying --config_file configs/train.json --bundle_root .", "flying"),
        ("pip install 'cardiac-mr-pipeline[wings]'", "wings"),
    ],
)
def test_what_the_program_does_not_have_is_found(command: str, words: str) -> None:
    with pytest.raises(DocumentationError, match=words):
        check_block(Block("page.md", 1, "sh", command))
