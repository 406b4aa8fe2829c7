"""The training configuration: one YAML file, one typed object."""

from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import yaml

from models.bundle import InputSpec
from models.networks.mmv import MMVConfig


@dataclass(frozen=True)
class AugmentConfig:
    """Vision: random crop out of a frame `margin` larger, flip, colour. Sound: gain. Both start at one random time.

    `saturation` is a part of the picture's own, `hue` one of the circle of colours; sound starts up to `time_shift_s`
    before or after the picture. Half of the clips are mixed with one colour, up to a share of `tint` (coloured light,
    the screen's flash in a game). Of the narrations each word is left out with a chance of `word_dropout`.
    """

    margin: float = 0.12
    flip: bool = True
    brightness: float = 0.2
    contrast: float = 0.2
    gain_db: float = 6.0
    saturation: float = 0.0
    hue: float = 0.0
    time_shift_s: float = 0.0
    tint: float = 0.0
    word_dropout: float = 0.0


@dataclass(frozen=True)
class RestartConfig:
    """A second course of training `after` so many steps, none if that is 0: a warm restart (SGDR, Loshchilov 2017).

    The learning rate rises and falls once more, to a height of its own; sound and text have a weight of their own.
    """

    after: int = 0
    learning_rate: float = 5e-4
    warmup_steps: int = 50
    weight_sound_text: float = 0.0


@dataclass(frozen=True)
class OptimConfig:
    """Adam with linear warm-up and half-cosine decay to zero (the paper's schedule), and once more after a `restart`.

    A loss of weight 0 is not computed: without its losses a modality stays out of training. `weight_sound_text` is for
    sound and text directly, which the paper leaves to vision to bring together (nothing in a disjoint graph).
    `text_loss` is mil_nce, of several narrations a clip, or nce, of the one nearest in time. `batch` is of all
    processes together; in `accumulate` parts it goes through the network, all of it through the loss
    (cached_gradients.py).
    """

    steps: int = 4000
    batch: int = 64
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_audio: float = 1.0
    weight_text: float = 1.0
    weight_sound_text: float = 0.0
    text_loss: str = "mil_nce"
    gradient_clip: float = 10.0
    bf16: bool = True
    threads: int = 2
    restart: RestartConfig = field(default_factory=RestartConfig)

    def __post_init__(self) -> None:
        if self.restart.after and not 0 < self.restart.after < self.steps:
            raise ValueError(f"restart.after is {self.restart.after}; it must be one of the {self.steps} steps, or 0")
        if self.text_loss not in ("mil_nce", "nce"):
            raise ValueError(f"text_loss is {self.text_loss!r}; it must be mil_nce or nce")
        if self.accumulate < 1 or self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} cannot be taken in accumulate {self.accumulate} equal parts")
        if not self.weight_audio and not self.weight_text:
            raise ValueError("weight_audio and weight_text are both 0: nothing would be trained")
        if max(self.weight_sound_text, self.restart.weight_sound_text) and not (self.weight_audio and self.weight_text):
            raise ValueError("weight_sound_text needs weight_audio and weight_text: vision leads to the coarse space")

    def course(self, step: int) -> tuple["OptimConfig", int]:
        """The settings of the course of training that a step belongs to, and the step's number in it."""
        r = self.restart
        if not r.after:
            return self, step
        if step < r.after:
            return replace(self, steps=r.after, restart=RestartConfig()), step
        return replace(
            self,
            steps=self.steps - r.after,
            learning_rate=r.learning_rate,
            warmup_steps=r.warmup_steps,
            weight_sound_text=r.weight_sound_text,
            restart=RestartConfig(),
        ), step - r.after


@dataclass(frozen=True)
class LockedConfig:
    """A last course of so many `steps` with the vision backbone locked (locked.py); none if 0.

    The backbone sees `passes` augmented windows of every clip. Of each log-mel two stretches of up to `mask_frames` and
    two of up to `mask_bands` are hidden; of each text's free places a share of `stray_words` gets any word at all, as
    people's talk has.
    """

    steps: int = 0
    passes: int = 5
    batch: int = 256
    learning_rate: float = 8e-4
    warmup_steps: int = 50
    weight_sound_text: float = 0.0
    mask_frames: int = 20
    mask_bands: int = 12
    stray_words: float = 0.0

    def __post_init__(self) -> None:
        if self.steps and (self.passes < 1 or self.batch < 1):
            raise ValueError("passes and batch must be at least 1")


@dataclass(frozen=True)
class TextConfig:
    """Which clips' narrations training uses: a `share` of those that have any, chosen by the run's seed.

    The other clips are trained on without text, or, where `textless` is false, not at all.
    """

    share: float = 1.0
    textless: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it must be above 0 and at most 1")


@dataclass(frozen=True)
class DeflateConfig:
    """Training of the deflated network's batch-norm scales and offsets."""

    steps: int = 1000
    batch: int = 48
    learning_rate: float = 1e-3
    clip_weight: float = 0.0  # of NCE between a frame and its clip, beside the paper's distance to the static clip
    tint: float = 0.0  # as in AugmentConfig, of the frame alone: what is wanted of it is that of the frame as it was


@dataclass(frozen=True)
class SourceConfig:
    """A data set: its `kind` (found by looking if empty), its share of every batch in proportion to the others'.

    `videos` is the folder of the videos where the path has only captions or labels.
    """

    path: str
    kind: str = ""
    share: float = 1.0
    videos: str = ""


@dataclass(frozen=True)
class DataConfig:
    """The data where no --data is given, and how it is read.

    Films are cut into stretches of `stretch_s`. `cache`: decode everything once and keep it; if not, `workers`
    processes decode during training. `hold_out` is the share of the clips that is kept out of training, to judge it by
    where no --validation is given.
    """

    sources: tuple[SourceConfig, ...] = ()
    stretch_s: float = 10.0
    cache: bool = True
    workers: int = 2
    hold_out: float = 0.0

    def __post_init__(self) -> None:
        if self.workers < 1 or self.stretch_s <= 0:
            raise ValueError("workers must be at least 1, and stretch_s more than 0")
        if any(source.share <= 0 for source in self.sources):
            raise ValueError("the share of a source must be more than 0")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}; it must be at least 0 and below 1")


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on, besides data given on the command line."""

    name: str
    inputs: InputSpec
    network: MMVConfig
    seed: int = 0
    words: int = 24_000
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    text: TextConfig = field(default_factory=TextConfig)
    data: DataConfig = field(default_factory=DataConfig)
    locked: LockedConfig = field(default_factory=LockedConfig)
    deflate: DeflateConfig = field(default_factory=DeflateConfig)
    evaluate_every: int = 500
    checkpoint_every: int = 250


class ConfigError(Exception):
    """A configuration that cannot be read; the message names the key."""


def load_config(path: Path) -> TrainConfig:
    """Read a YAML file. Raises ConfigError for unknown, missing or mistyped keys."""
    try:
        data = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    config: TrainConfig = build_config(TrainConfig, data)
    if config.inputs.sample_rate != config.network.log_mel.sample_rate:
        raise ConfigError("inputs.sample_rate and network.log_mel.sample_rate differ")
    return config


def config_dict(config: TrainConfig) -> dict[str, Any]:
    """The configuration as plain values, for records and fingerprints."""
    return asdict(config)


def build_config(cls: Any, data: Any, where: str = "") -> Any:
    """A (nested) dataclass from plain values. Raises ConfigError naming the key that is wrong."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where or 'the file'} must be a mapping, not {data!r}")
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    for key in data:
        if key not in known:
            raise ConfigError(f"unknown key {where}{key}; known are {', '.join(known)}")
    values = {}
    for name, f in known.items():
        if name not in data:
            if f.default is MISSING and f.default_factory is MISSING:
                raise ConfigError(f"missing key {where}{name}")
            continue
        kind, value = hints[name], data[name]
        if isinstance(kind, UnionType):
            kind = _of_family(kind, value, f"{where}{name}")
        if is_dataclass(kind):
            value = build_config(kind, value, f"{where}{name}.")
        elif kind == tuple[int, ...]:
            value = tuple(value)
        elif kind == tuple[SourceConfig, ...]:
            value = tuple(build_config(SourceConfig, part, f"{where}{name}[{i}].") for i, part in enumerate(value))
        elif kind is float and isinstance(value, int):
            value = float(value)
        elif kind in (int, float, str, bool) and type(value) is not kind:
            raise ConfigError(f"{where}{name} is {value!r}; it must be {kind.__name__}")
        values[name] = value
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where.rstrip('.') or 'config'}: {error}") from None


def _of_family(union: UnionType, data: Any, where: str) -> Any:
    """Which of several dataclasses a mapping is for: that of its `family`, the first where it says none."""
    kinds = {kind.family: kind for kind in get_args(union)}
    family = data.get("family", next(iter(kinds))) if isinstance(data, dict) else next(iter(kinds))
    if family not in kinds:
        raise ConfigError(f"{where}.family is {family!r}; it must be one of {', '.join(kinds)}")
    return kinds[family]
