"""What a node is told by its configuration file: where it listens, what it takes, makes and sends."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.node.places import Destination, Listen, Source
from pipeline.app.node.sections import read_section
from pipeline.app.node.setting_checks import require_positive
from pipeline.core.errors import ConfigError, InputError

__all__ = ["Limits", "NodeSettings", "Rule", "Work", "load_settings"]


@dataclass(frozen=True)
class Limits:
    """What the node takes at most.

    Attributes:
        instance_mb: size of one object.
        study_instances: objects of one study.
        associations: at once.
        instances_per_s: of one caller; those that come faster wait.
        free_disk_mb: below it nothing is taken.
        idle_s: a silent association is ended.
    """

    instance_mb: float = 256.0
    study_instances: int = 20000
    associations: int = 8
    instances_per_s: float = 500.0
    free_disk_mb: float = 2000.0
    idle_s: float = 60.0

    def __post_init__(self) -> None:
        require_positive(self, "instance_mb", "study_instances", "associations", "instances_per_s", "idle_s")
        if not 0 <= self.free_disk_mb < math.inf:
            raise ConfigError(f"free_disk_mb must be 0 or more, got {self.free_disk_mb}")


@dataclass(frozen=True)
class Work:
    """How studies are segmented, as by `cmr segment`: bundle, device, processes, longest time a study."""

    bundle: str = str(DEFAULT_BUNDLE)
    device: str | None = None
    jobs: int = 1
    timeout_s: float = 900.0

    def __post_init__(self) -> None:
        require_positive(self, "jobs", "timeout_s")


@dataclass(frozen=True)
class Rule:
    """What becomes of a study. The first rule that fits decides; patterns are as of file names (`*`, `?`), any case.

    Attributes:
        name: in listings.
        caller: pattern of the sender's AE title, `dicomweb:<name>` of a source.
        study: pattern of StudyDescription.
        series: pattern of SeriesDescription; only series that fit are read, and a study without one does not fit.
        send_to: names of destinations.
        pseudonym: results name the patient by a pseudonym.
        ignore: series that fit are not read, whatever rules below say.
    """

    name: str
    caller: str = "*"
    study: str = "*"
    series: str = "*"
    send_to: tuple[str, ...] = ()
    pseudonym: bool = False
    ignore: bool = False


@dataclass(frozen=True)
class NodeSettings:
    """All of it.

    Attributes:
        folder: of the node: images, queue, results. They name patients, so it is readable by its user alone.
        destinations: name -> destination.
        rules: the first that fits a study decides; where none does, the study is ignored.
        listen: where.
        limits: how much.
        work: how studies are segmented.
        sources: DICOMweb servers that are asked for studies.
        stable_s: a study is whole when nothing has come for so long.
        pseudonym_env: environment variable with the secret of pseudonyms.
        keep_days: images and results are removed so long after they were sent; `None` keeps them.
    """

    folder: Path
    destinations: dict[str, Destination]
    rules: tuple[Rule, ...]
    listen: Listen = field(default_factory=Listen)
    limits: Limits = field(default_factory=Limits)
    work: Work = field(default_factory=Work)
    sources: tuple[Source, ...] = ()
    stable_s: float = 30.0
    pseudonym_env: str | None = None
    keep_days: float | None = None

    def __post_init__(self) -> None:
        require_positive(self, "stable_s")
        for rule in self.rules:
            for name in rule.send_to:
                if name not in self.destinations:
                    raise ConfigError(f"rule {rule.name!r} sends to {name!r}, which is none of the destinations")
            if rule.ignore is bool(rule.send_to):
                raise ConfigError(f"rule {rule.name!r} must either send_to somewhere or ignore")
            if rule.pseudonym and self.pseudonym_env is None:
                raise ConfigError(f"rule {rule.name!r} asks for pseudonyms, so pseudonym_env must be stated")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ConfigError(f"rules must have different names, got {', '.join(names)}")
        if self.keep_days is not None:
            require_positive(self, "keep_days")
        for source in self.sources:
            self._require_source(source)

    def _require_source(self, source: Source) -> None:
        if source.server not in self.destinations or self.destinations[source.server].url is None:
            raise ConfigError(f"source {source.server!r} must be a destination with a url")
        if self.keep_days is not None and (source.days is None or source.days >= self.keep_days):
            raise ConfigError(
                f"keep_days must be more than the days of source {source.server!r}, or studies would be fetched again "
                f"once they are removed; got {self.keep_days:g} and {source.days}"
            )

    def require_secrets(self) -> None:
        """Refuse to begin without what the environment is to hold.

        Raises:
            ConfigError: a variable is not there, or empty.
        """
        asked = [] if not any(rule.pseudonym for rule in self.rules) else [self.pseudonym_env]
        asked += [place.password_env for place in self.destinations.values()]
        for name in asked:
            if name is not None and not os.environ.get(name, "").strip():
                raise ConfigError(f"the environment must have {name}, which the configuration names; it has not")

    def secret(self) -> str | None:
        """Of pseudonyms, from the environment."""
        return None if self.pseudonym_env is None else os.environ.get(self.pseudonym_env) or None


def load_settings(path: Path) -> NodeSettings:
    """Read a configuration file.

    Raises:
        InputError: it is not there, or no YAML.
        ConfigError: a setting is wrong; the sentence says which and why.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("a configuration of a node is needed, this file is not there", path) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"a node's configuration must be YAML, this one is not: {told}", path) from error
    return read_section(NodeSettings, content, "")
