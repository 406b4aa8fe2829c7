"""What each kind of query is compared with, and how much each comparison counts.

The numbers are measured, not derived: `docs/benchmarks/` says how, and what they give.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from index.spaces import SpaceKey

Kind = Literal["text", "image", "audio", "video"]
Match = Literal["visual", "sound", "both"]
Space = Literal["auto", "fine", "coarse"]
Side = Literal["visual", "sound"]

Plan = dict[SpaceKey, float]

VISUAL_FINE, VISUAL_COARSE = SpaceKey("visual", "fine"), SpaceKey("visual", "coarse")
FRAME_FINE, FRAME_INSTANCE = SpaceKey("frame", "fine"), SpaceKey("frame", "instance")
SOUND_FINE, SOUND_COARSE = SpaceKey("sound", "fine"), SpaceKey("sound", "coarse")
SOUND_INSTANCE = SpaceKey("sound", "instance")

# Words live in the coarse space only (MMV, section 3.1). The instance space knows the very same picture or
# sound again, which the heads, trained for meaning, do not; it compares like with like only.
QUERY_PLANS: dict[Kind, dict[Side, Plan]] = {
    "text": {"visual": {VISUAL_COARSE: 1.0}, "sound": {SOUND_COARSE: 1.0}},
    "image": {
        "visual": {FRAME_INSTANCE: 1.0, FRAME_FINE: 0.5, VISUAL_FINE: 0.05, VISUAL_COARSE: 0.05},
        "sound": {SOUND_FINE: 1.0, SOUND_COARSE: 0.25},
    },
    "audio": {
        "visual": {VISUAL_FINE: 1.0, VISUAL_COARSE: 0.25},
        "sound": {SOUND_INSTANCE: 1.0, SOUND_FINE: 0.1, SOUND_COARSE: 0.02},
    },
    "video": {
        "visual": {FRAME_INSTANCE: 0.5, FRAME_FINE: 0.25, VISUAL_FINE: 1.0, VISUAL_COARSE: 0.25},
        "sound": {SOUND_INSTANCE: 1.0, SOUND_FINE: 0.5, SOUND_COARSE: 0.1},
    },
}

# How much what is seen and what is heard count when both are searched. A still says little of the sound it goes with.
SIDE_WEIGHTS: dict[Kind, dict[Side, float]] = {
    "text": {"visual": 1.0, "sound": 0.7},
    "image": {"visual": 1.0, "sound": 0.0},
    "audio": {"visual": 0.02, "sound": 1.0},
    "video": {"visual": 1.0, "sound": 0.7},
}

# Which encoder embeds what a channel of the library holds.
ENCODERS = {"visual": "video", "frame": "image", "sound": "audio"}

SPACES: dict[Space, tuple[str, ...]] = {
    "auto": ("instance", "fine", "coarse"),
    "fine": ("instance", "fine"),
    "coarse": ("coarse",),
}


@dataclass(frozen=True)
class Curve:
    """Confidence is the logistic function of the score: one half at `middle`, 0.73 one `width` above."""

    middle: float
    width: float


CONFIDENCE: dict[Kind, Curve] = {
    "text": Curve(1.8, 0.5),
    "image": Curve(2.5, 0.6),
    "audio": Curve(2.5, 0.6),
    "video": Curve(2.5, 0.6),
}


def plan_for(kind: Kind, match: Match, space: Space, model: Mapping[str, Collection[str]] | None = None) -> Plan:
    """The weights of a query, each side's summing to its share; empty when there is nothing to compare it by.

    model: the spaces of each encoder of the model in use (`Encoders.spaces`); None is one that has them all. What it
    cannot compare is left out, and the rest of that side takes its weight.
    """
    sides: dict[Side, float] = SIDE_WEIGHTS[kind] if match == "both" else {match: 1.0}
    plan: Plan = {}
    for side, share in sides.items():
        chosen = {
            key: weight
            for key, weight in QUERY_PLANS[kind][side].items()
            if key.space in SPACES[space] and (model is None or _comparable(kind, key, model))
        }
        total = sum(chosen.values())
        plan |= {key: share * weight / total for key, weight in chosen.items() if share * weight > 0}
    return plan


def _comparable(kind: Kind, key: SpaceKey, model: Mapping[str, Collection[str]]) -> bool:
    """Whether the model embeds both a query of this kind and what the channel holds in that space."""
    held = ENCODERS[key.channel]
    asking = held if kind == "video" else kind  # of a clip: its windows, their pictures and its sound
    return key.space in model.get(held, ()) and key.space in model.get(asking, ())
