"""What an ablation is: arms in a YAML file, each a few changes to one training configuration."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from models.training.config import ConfigError, TrainConfig, build_config


@dataclass(frozen=True)
class Arm:
    """One way to train: dotted keys of the configuration and their values; `about` is what the table calls it."""

    about: str
    set: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ablation:
    """Which runs there are, all compared with the `baseline`.

    Trained on the first `clips` of the data (0: all); items are found among `items` of the held-out clips.
    """

    about: str
    baseline: str
    config: dict[str, Any]
    arms: dict[str, Arm]
    clips: int = 0
    items: int = 300

    def config_of(self, arm: str, seed: int) -> TrainConfig:
        """The configuration of one run; `seed` counts from 0. Raises ConfigError."""
        plain: dict[str, Any] = json.loads(json.dumps(self.config))
        for key, value in self.arms[arm].set.items():
            *path, last = key.split(".")
            place = plain
            for part in path:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    raise ConfigError(f"arms.{arm}.set: {key} is no key of the configuration")
            place[last] = value
        try:
            built: TrainConfig = build_config(TrainConfig, plain)
        except ConfigError as error:
            raise ConfigError(f"arms.{arm}: {error}") from None
        return replace(built, name=f"{built.name}-{arm}", seed=built.seed + seed)


def load_ablation(path: Path) -> Ablation:
    """Read a YAML file. Raises ConfigError for one that cannot be run, before anything is."""
    try:
        plain = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(plain, dict) or not isinstance(plain.get("arms"), dict):
        raise ConfigError(f"{path} has no mapping called arms")
    arms = {str(name): build_config(Arm, arm, f"arms.{name}.") for name, arm in plain["arms"].items()}
    ablation: Ablation = build_config(Ablation, plain | {"arms": arms})
    if ablation.baseline not in arms:
        raise ConfigError(f"baseline is {ablation.baseline!r}; it must be one of {', '.join(arms)}")
    seen = {(config.inputs, config.augment.margin) for config in (ablation.config_of(arm, 0) for arm in arms)}
    if len(seen) > 1:
        raise ConfigError("arms differ in inputs or augment.margin; they must all share the decoded clips")
    return ablation
