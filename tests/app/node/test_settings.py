"""The configuration file: what it says is taken as it is, and what is wrong in it is said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.app.node.places import Caller
from pipeline.app.node.rules import Described, decide, fits
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
        ("rules.0.pseudonym", True, "pseudonym_env must be stated"),
        ("rules", [{"name": "a", "ignore": True}] * 2, "different names, got a, a"),
        ("listen.callers.0.host", "scanner-1", r"an IP address, or a network as 10\.1\.0\.0/16, got 'scanner-1'"),
        ("listen.tls", {"authorities": "a"}, "certificate and key, which the callers ask for"),
        ("listen.tls", {"authorities": "a", "key": "k"}, "both certificate and key, or neither"),
        ("destinations.web", {"url": "http://x", "user": "me"}, "the password of x would pass unencrypted"),
        ("limits.free_disk_mb", float("nan"), "free_disk_mb must be 0 or more"),
        ("limits.idle_s", 10**400, r"limits\.idle_s must be a number that can be used"),
        ("keep_days", -1.0, "keep_days must be a number above 0"),
        ("sources", [{"server": "pacs"}], "must be a destination with a url"),
        ("sources", [{"server": "web", "days": -1}], "days must be 0 or more"),
        ("folder", 7, "folder must be a path, got 7"),
        ("folder", " ", "folder must be a path, got ' '"),
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
    with pytest.raises(ConfigError, match="a configuration must be a list of settings"):
        load_settings(path)


def test_secrets_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed(tmp_path, "rules.0.pseudonym", True) | {"pseudonym_env": "NODE_SECRET"}
    content["destinations"]["web"] = {"url": "https://x", "user": "me", "password_env": "NODE_PASSWORD"}
    settings = read_section(NodeSettings, content, "")  # the queue can be looked at without
    for name in ("NODE_SECRET", "NODE_PASSWORD"):
        with pytest.raises(ConfigError, match=f"the environment must have {name}"):
            settings.require_secrets()
        monkeypatch.setenv(name, "word")
    settings.require_secrets()
    assert settings.secret() == settings.destinations["web"].password() == "word"


def test_what_is_removed_is_not_fetched_again(tmp_path: Path) -> None:
    content = node_content(tmp_path, destinations={"pacs": {"url": "http://127.0.0.1:1"}}, keep_days=2.0)
    for days in (2, None):
        with pytest.raises(ConfigError, match="keep_days must be more than the days of source 'pacs'"):
            read_section(NodeSettings, content | {"sources": [{"server": "pacs", "days": days}]}, "")
    read_section(NodeSettings, content | {"sources": [{"server": "pacs", "days": 1}]}, "")


RULES = [
    Rule("tests", caller="TEST*", ignore=True),
    Rule("no localisers", series="*loc*", ignore=True),
    Rule("short axis", series="*sax*", send_to=("pacs",)),
    Rule("heart", study="*card*", send_to=("pacs",)),
]
LOC, SAX, LONG = (Described(Path(name), "CARDIAC", name) for name in ("3-plane loc", "Cine SAX", "Cine 4CH"))


@pytest.mark.parametrize(
    ("files", "caller", "rule", "read"),
    [
        ([LOC, SAX, LONG], "MR1", "short axis", [SAX]),
        ([LOC, LONG], "MR1", "heart", [LONG]),  # an ignored series does not let its study be ignored
        ([LOC], "MR1", "rule 'no localisers' ignores it", []),
        ([SAX], "TEST1", "rule 'tests' ignores it", []),
        ([Described(Path("c"), "KNEE", "t1")], "MR1", "no rule fits it", []),
    ],
)
def test_what_is_ignored_is_not_read_and_the_first_rule_for_the_rest_decides(
    files: list[Described], caller: str, rule: str, read: list[Described]
) -> None:
    found = decide(RULES, files, caller)
    assert (found.rule.name if found.rule else found.reason) == rule
    assert list(found.files) == [one.file for one in read]


def test_patterns_are_as_of_file_names() -> None:
    assert fits("*card*", " Cardiac MR ")
    assert not fits("[ab]*", "cx")


@pytest.mark.parametrize(
    ("ae_title", "address", "is_known"),
    [
        ("MR1", "10.1.7.7", True),
        (" MR1 ", "::ffff:10.1.7.7", True),
        ("MR1", "10.2.7.7", False),
        ("MR2", "10.1.7.7", False),
    ],
)
def test_callers_are_told_by_title_and_network(ae_title: str, address: str, is_known: bool) -> None:
    assert Caller("MR1", "10.1.0.0/16").is_caller(ae_title, address) is is_known
