"""What texts name, which narration is asked with, and how far knowing concepts alone leads."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from models.runtime import Encoders
from models.training.data.footage.mentions import mentioned
from models.training.data.footage.vocabulary import MONSTERS, PICKUPS, THINGS, WEAPONS
from models.training.data.manifest import Clip, Event, Narration
from models.training.evaluation.footage_ceiling import ceilings
from models.training.evaluation.footage_clips import (
    HEARD,
    EmbeddedClips,
    described,
    described_by_ear,
    said,
    text_rows,
)
from models.training.evaluation.footage_retrieval import heard_perfectly
from models.training.evaluation.metrics import retrieval


def clip(number: int, concepts: list[str], texts: list[str]) -> Clip:
    """Its narrations come one a second from 0; the event is at 1 s."""
    return Clip(
        id=f"c-{number}",
        file="",
        duration_s=4.0,
        fps=10,
        has_video=True,
        has_audio=True,
        map="",
        seed=0,
        game="",
        narrations=[Narration(float(i), float(i), text) for i, text in enumerate(texts)],
        events=[Event("fight", 1.0, concepts)],
        concepts=concepts,
    )


def library(clips: list[Clip]) -> EmbeddedClips:
    return cast(EmbeddedClips, SimpleNamespace(clips=clips))


def test_the_longest_phrase_names_the_concept() -> None:
    zombie, shotgun = MONSTERS["ShotgunGuy"].concept, WEAPONS["Shotgun"].concept
    assert mentioned("a shotgun zombie attacks") == {zombie}
    assert mentioned("the shotgun zombie against my pump shotgun") >= {zombie, shotgun}
    assert not mentioned("what a day")


def test_a_clip_is_asked_for_by_what_tells_most_of_it() -> None:
    slug, pistol = MONSTERS["Fatso"].concept, WEAPONS["Pistol"].concept
    texts = ["combat slug", "what a day", "shooting a combat slug with a pistol", "pistol"]
    found = clip(0, [slug, pistol], texts)
    assert described(found) == texts[2]
    assert said(found) == "what a day"
    torch, key = THINGS["BlueTorch"].concept, PICKUPS["RedCard"].concept
    texts = ["a blue torch beside the red key", "shooting a combat slug", "red key"]
    assert described(clip(0, [slug, torch, key], texts)) == texts[0]
    assert described_by_ear(clip(0, [slug, torch], texts)) == texts[1]
    assert described_by_ear(clip(0, [key, torch], [*reversed(texts)])) == texts[2]  # the torch makes no sound
    # What is named but not there tells nothing of the clip.
    assert described(clip(0, [pistol], ["combat slug and sailor", "so", "", "pistol"])) == "pistol"


def test_a_perfect_ranker_of_concepts_finds_the_one_clip_that_has_both() -> None:
    slug, sailor = MONSTERS["Fatso"].concept, MONSTERS["WolfensteinSS"].concept
    pistol, minigun = WEAPONS["Pistol"].concept, WEAPONS["Chaingun"].concept
    pairs = [(m, w) for m in (slug, sailor) for w in (pistol, minigun)]
    names = {slug: "combat slug", sailor: "sailor", pistol: "pistol", minigun: "minigun"}
    clips = [clip(i, [m, w], ["hm", f"{names[m]} and {names[w]}"]) for i, (m, w) in enumerate(pairs)]
    found = ceilings(library(clips), 4)
    assert found["text -> video"].recall["R@1"] == 1
    assert found["text -> audio"].recall["R@1"] == 1
    assert found[HEARD].recall["R@1"] == 1


def test_items_cannot_be_told_apart_by_ear() -> None:
    items = [(s.concept, s.phrases[0]) for s in list(PICKUPS.values())[:8]]
    found = ceilings(library([clip(i, [c, "action:pickup"], [p]) for i, (c, p) in enumerate(items)]), 8)
    assert found["text -> video"].recall["R@1"] == 1
    assert found["text -> audio"].recall["R@1"] < 0.7


def test_what_sounds_alike_by_name_is_missed_also_if_nothing_is_misheard() -> None:
    """Two clips of a slug and one of a sailor, of which the network takes the sailor's for the best slug."""
    slug, sailor = MONSTERS["Fatso"].concept, MONSTERS["WolfensteinSS"].concept
    clips = [
        clip(i, [c], [t])
        for i, (c, t) in enumerate([(slug, "combat slug"), (slug, "a combat slug"), (sailor, "sailor")])
    ]
    clips.append(clip(3, [sailor], ["what a day"]))  # names nothing: every clip may be it
    likeness = {
        "combat slug": [2, 3, 9, 0],
        "a combat slug": [2, 3, 9, 0],
        "sailor": [0, 0, 5, 4],
        "what a day": [1, 0, 0, 5],
    }
    found = cast(EmbeddedClips, SimpleNamespace(clips=clips, sound_coarse=np.eye(4, dtype=np.float32)))
    encoders = cast(
        Encoders,
        SimpleNamespace(
            text=lambda texts: np.array([likeness[t] for t in texts]), bundle=SimpleNamespace(dims={"coarse": 4})
        ),
    )
    bound = heard_perfectly(encoders, found, 4)
    assert bound["text -> audio"].recall["R@1"] == 3 / 4  # the first slug still is behind the second
    assert bound[HEARD].recall["R@1"] == 3 / 4
    plain = retrieval(text_rows(encoders, [described(c) for c in clips]), np.arange(4), 4)
    assert plain.recall["R@1"] == 2 / 4
    mute = cast(EmbeddedClips, SimpleNamespace(clips=clips, sound_coarse=None))
    assert heard_perfectly(encoders, mute, 4) == cast(Any, {})
    other = cast(EmbeddedClips, SimpleNamespace(clips=[clip(0, ["red"], ["what a day"])] * 4, sound_coarse=np.eye(4)))
    assert heard_perfectly(encoders, other, 4) == cast(Any, {})


def test_other_data_has_no_such_ceiling() -> None:
    assert ceilings(library([clip(i, ["red"], ["red things"]) for i in range(3)]), 3) == cast(Any, {})
