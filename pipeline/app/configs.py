"""A bundle's configurations: read, changed by settings or by code, and put in place all together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline.app.offers import has_entry
from pipeline.app.plain import as_entries
from pipeline.core.errors import ConfigError
from pipeline.core.files import flush, flush_names
from pipeline.infer.digests import WEIGHTS_DIGESTS

__all__ = [
    "OVERLAYS",
    "announce_configs",
    "apply_code",
    "apply_overrides",
    "change_configs",
    "finish_replacing",
    "is_half_made",
    "read_configs",
    "write_configs",
]

OVERLAYS = ("multi_gpu_train",)
"""Configurations that MONAI merges over another when it runs; rendered and copied as they stand."""


def read_configs(bundle: Path) -> dict[str, dict[str, Any]]:
    """A bundle's configurations by name, as they are written."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((bundle / "configs").glob("*.json"))
    }


def change_configs(
    source: Path, overrides: Mapping[str, Any] | None = None, *, code: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """A bundle's configurations, by name, with entries changed in all that have them; arguments as for `copy_bundle`.

    An override may also be a setting that a component takes and the configuration does not spell out.

    Raises:
        ConfigError: an id that no configuration of the bundle has; an override that is not data.
    """
    own = as_entries(overrides or {})
    entries = dict(code or {}) | dict(sorted(own.items(), key=lambda item: not item[0].endswith("_target_")))
    known: set[str] = set()
    names: set[str] = set()
    configs: dict[str, dict[str, Any]] = {}
    for stem, config in read_configs(source).items():
        parser = ConfigParser(config)
        for key, value in entries.items():
            if key in parser or (key in own and has_entry(parser, key)):
                parser[key] = value  # one by one: another network has other settings for the next ones to change
                known.add(key)
        parser.get().pop(WEIGHTS_DIGESTS, None)  # of weights that stayed behind
        names |= set(parser.get())
        configs[stem] = parser.get()
    unknown = sorted(set(entries) - known)
    if unknown:
        near = [f"`{close}`" for key in unknown for close in get_close_matches(key, names, n=1)]
        meant = f"; perhaps {', '.join(near)}?" if near else ""
        raise ConfigError(
            f"no configuration of {source.name} has an entry {unknown}; see its configs/train.json{meant}"
        )
    return configs


def write_configs(bundle: Path, configs: Mapping[str, Mapping[str, Any]], *, rest: Path | None = None) -> None:
    """Put a bundle's configurations in place, all of them or none.

    Args:
        bundle: its folder.
        configs: name -> content.
        rest: folder of the other files of `configs`, as `logging.conf`; `None`: the bundle's own.
    """
    written = _write(bundle)
    for left in written.glob("*"):  # of a run that was killed; the folder itself stays, see `announce_configs`
        left.unlink()
    shutil.copytree(rest or bundle / "configs", written, dirs_exist_ok=True)
    for name, content in configs.items():
        (written / f"{name}.json").write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    _replace_folder(written, bundle / "configs")


def announce_configs(bundle: Path) -> None:
    """Mark a folder as one that gets its configurations, before anything else lies there; see `is_half_made`."""
    _write(bundle).mkdir(parents=True, exist_ok=True)


def is_half_made(bundle: Path) -> bool:
    """Whether a folder was to become a bundle, and a kill came before its configurations."""
    new, old = _write(bundle), bundle / "configs"
    return new.is_dir() and not old.exists() and not _aside(old).exists()


def finish_replacing(bundle: Path) -> None:
    """Finish what a kill broke off between taking the old configurations away and putting the new ones in place."""
    new, old = _write(bundle), bundle / "configs"
    if _aside(old).is_dir() and not old.exists():
        (new if new.is_dir() else _aside(old)).rename(old)


def _write(bundle: Path) -> Path:
    return bundle / "configs.partial"


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.before")


def _replace_folder(new: Path, old: Path) -> None:
    """Put one folder in another's place, whole."""
    aside = _aside(old)
    flush(new)
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    flush_names(old.parent)
    shutil.rmtree(aside, ignore_errors=True)


def apply_overrides(parser: ConfigParser, overrides: Mapping[str, Any]) -> None:
    """Change entries of a configuration to a user's values, which stay data; see `pipeline.app.plain`.

    Args:
        parser: the configuration.
        overrides: id (`train#trainer#max_epochs`) -> value.

    Raises:
        ConfigError: an id that does not exist, as a typing mistake would be; a value that is not data.
    """
    for key, entry in as_entries(overrides).items():
        if not has_entry(parser, key):
            raise _unknown(parser, key)
        parser[key] = entry


def apply_code(parser: ConfigParser, entries: Mapping[str, Any]) -> None:
    """Change entries of a configuration to others in its own language: MONAI evaluates them.

    Args:
        parser: the configuration.
        entries: id -> entry; from the program or from a bundle's layers, never from outside.

    Raises:
        ConfigError: an id that does not exist.
    """
    for key, entry in entries.items():
        if key not in parser:
            raise _unknown(parser, key)
        parser[key] = entry


def _unknown(parser: ConfigParser, key: str) -> ConfigError:
    return ConfigError(f"the configuration has no entry {key!r}; it has {sorted(parser.get())}")
