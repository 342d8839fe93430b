"""The configuration file: what it says is taken as it is, and what is wrong in it is said in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.app.node.rules import Described, first_rule, fits, fitting
from pipeline.app.node.sections import read_section
from pipeline.app.node.settings import NodeSettings, Rule, load_settings
from pipeline.core.errors import ConfigError, InputError
from tests.app.node.helpers import node_content

EXAMPLE = Path(__file__).parents[3] / "configs" / "node.yaml"


def changed(folder: Path, place: str, value: Any) -> dict[str, Any]:
    content = node_content(folder)
    *above, last = place.split(".")
    section: Any = content
    for key in above:
        section = section[int(key)] if isinstance(section, list) else section.setdefault(key, {})
    section[last] = value
    return content


def test_the_example_is_right() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.listen.host == "127.0.0.1"
    assert [rule.name for rule in settings.rules] == ["no localisers", "cardiac"]
    assert settings.destinations["pacs"].commitment


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("listen.prot", 1, r"listen\.prot is no setting; perhaps port\?"),
        ("listen.port", "104", r"listen\.port must be a whole number, got '104'"),
        ("listen.port", True, r"listen\.port must be a whole number, got True"),
        ("listen.port", 70000, "from 0 to 65535, got 70000"),
        ("listen.host", "0.0.0.0", r"0\.0\.0\.0 can be reached by others"),
        ("listen.ae_title", "A" * 17, "1 to 16 ASCII characters"),
        ("listen.callers", {"ae_title": "X"}, r"listen\.callers must be a list"),
        ("listen.callers", [{}], r"listen\.callers\[0\]\.ae_title must be stated"),
        ("limits.associations", 0, "associations must be a number above 0, got 0"),
        ("stable_s", float("nan"), "stable_s must be a number above 0"),
        ("limits.idle_s", float("inf"), "idle_s must be a number above 0, got inf"),
        ("destinations.pacs.url", "http://x", "either host, port and ae_title, or the url"),
        ("destinations.pacs", {}, "either host, port and ae_title, or the url"),
        ("destinations.web", {"url": "ftp://x"}, "must be http:// or https://"),
        ("destinations.web", {"url": "http://me:word@x"}, "without a password in it"),
        ("rules.0.send_to", ["nowhere"], "'nowhere', which is none of the destinations"),
        ("rules.0.send_to", [], "must either send_to somewhere or ignore"),
        ("rules.0.ignore", True, "must either send_to somewhere or ignore"),
        ("rules.0.pseudonym", True, "pseudonym_env must name an environment variable"),
        ("sources", [{"server": "pacs"}], "must be a destination with a url"),
        ("folder", 7, "folder must be a path, got 7"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, place: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_section(NodeSettings, changed(tmp_path, place, value), "")


def test_values_are_data(tmp_path: Path) -> None:
    """YAML may ask for Python objects, and MONAI's configurations for code: neither is done here."""
    path = tmp_path / "node.yaml"
    path.write_text("folder: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match="must be YAML"):
        load_settings(path)
    content = changed(tmp_path, "rules.0.name", "$__import__('os').abort()")
    path.write_text(yaml.safe_dump(content))
    assert load_settings(path).rules[0].name == "$__import__('os').abort()"
    with pytest.raises(InputError, match="is not there"):
        load_settings(tmp_path / "none.yaml")
    path.write_text("- a list")
    with pytest.raises(ConfigError, match="must be a list of settings"):
        load_settings(path)


def test_secrets_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed(tmp_path, "rules.0.pseudonym", True) | {"pseudonym_env": "NODE_SECRET"}
    with pytest.raises(ConfigError, match="pseudonym_env"):
        read_section(NodeSettings, content, "")
    monkeypatch.setenv("NODE_SECRET", "word")
    assert read_section(NodeSettings, content, "").secret() == "word"
    content["destinations"]["web"] = {"url": "https://x", "user": "me", "password_env": "NODE_SECRET"}
    assert read_section(NodeSettings, content, "").destinations["web"].password() == "word"


def test_the_first_rule_that_fits_decides(settings_of: Callable[..., NodeSettings]) -> None:
    rules = [
        Rule("no", caller="TEST*", ignore=True),
        Rule("short axis", series="*sax*", send_to=("pacs",)),
        Rule("heart", study="*card*", send_to=("pacs",)),
    ]
    files = [Described(Path("a"), "CARDIAC", "Cine SAX"), Described(Path("b"), "CARDIAC", "Cine 4CH")]
    assert first_rule(rules, files, "TEST1").name == "no"  # type: ignore[union-attr]
    assert first_rule(rules, files, "MR1").name == "short axis"  # type: ignore[union-attr]
    assert fitting(rules[1], files) == [Path("a")]
    assert first_rule(rules, files[1:], "MR1").name == "heart"  # type: ignore[union-attr]
    assert first_rule(rules, [Described(Path("c"), "KNEE", "t1")], "MR1") is None
    assert not fits("[ab]*", "cx")
