"""What is said over a clip, and the plan of a set."""

from collections import Counter

import numpy as np
import pytest

from models.training.data.footage.narrate import (
    CLIP_SECONDS,
    MOST_WORDS,
    all_words,
    narrate,
    tell,
    with_article,
)
from models.training.data.footage.other_words import other_words
from models.training.data.footage.scenes import plan_clip
from models.training.data.footage.templates import VAGUE
from models.training.data.footage.vocabulary import (
    ACTIONS,
    CONCEPT_QUERIES,
    MONSTERS,
    PICKUPS,
    PLACES,
    SUBJECTS,
    THINGS,
    WEAPONS,
    Subject,
)
from models.training.data.footage.wording_plain import PLAIN
from models.training.data.footage.wording_rare import RARE
from models.training.data.manifest import Event, Narration

SUBJECTS_OF_KIND = {"monster": MONSTERS, "fight": MONSTERS, "pickup": PICKUPS, "fire": WEAPONS, "look": THINGS}
KINDS = [
    "monster",
    "fight",
    "pickup",
    "fire",
    "look",
    "explore",
    "door",
    "lift",
    "switch",
    "teleport",
    "barrel",
    "death",
]


def _event(kind: str, rng: np.random.Generator) -> Event:
    """An event as `film.concepts_of` writes it."""
    shown: list[Subject] = []
    if kind in SUBJECTS_OF_KIND:
        shown.append(list(SUBJECTS_OF_KIND[kind].values())[int(rng.integers(len(SUBJECTS_OF_KIND[kind])))])
    if kind in ("fight", "barrel"):
        shown.append(list(WEAPONS.values())[int(rng.integers(len(WEAPONS)))])
    shown.append(ACTIONS["explore" if kind == "look" else kind])
    if kind == "fight" and rng.random() < 0.5:
        shown.append(ACTIONS["kill"])
    shown += [THINGS["BigTree"], PLACES["lava"], PLACES["outdoors"]]
    return Event(kind, round(rng.uniform(0.3, 3.4), 3), [s.concept for s in shown])


def _many(kind: str, count: int = 300) -> list[list[Narration]]:
    rng = np.random.default_rng(7)
    return [narrate(_event(kind, rng), rng) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_four_to_six_short_lower_case_narrations_inside_the_clip(kind: str) -> None:
    for narrations in _many(kind):
        assert 4 <= len(narrations) <= 6
        assert len({n.text for n in narrations}) == len(narrations)
        assert sum(n.text in VAGUE for n in narrations) <= 1
        for n in narrations:
            assert 0 <= n.start_s < n.end_s <= CLIP_SECONDS
            assert n.text == n.text.lower().strip()
            assert 1 <= len(n.text.split()) <= MOST_WORDS
            assert n.text.replace(" ", "").isalpha()


@pytest.mark.parametrize("kind", KINDS)
def test_every_spoken_word_is_in_the_word_list(kind: str) -> None:
    spoken = {word for narrations in _many(kind) for n in narrations for word in n.text.split()}
    assert spoken <= all_words()


def test_the_wording_is_wide() -> None:
    assert len(all_words()) > 1000
    spoken = Counter(
        word for kind in KINDS for narrations in _many(kind) for n in narrations for word in n.text.split()
    )
    assert len(spoken) > 900


def test_the_same_seed_says_the_same() -> None:
    assert _many("fight", 20) == _many("fight", 20)


def test_a_killed_monster_is_only_said_to_be_dead_well_after_the_first_hit() -> None:
    shown = (MONSTERS["DoomImp"], WEAPONS["Shotgun"], ACTIONS["fight"], ACTIONS["kill"], PLACES["indoors"])
    event = Event("fight", 1.2, [s.concept for s in shown])
    told = 0
    for seed in range(200):
        for n in narrate(event, np.random.default_rng(seed)):
            if {"dead", "dies", "killed"} & set(n.text.split()):
                assert n.end_s > 1.2 + 1.5
                assert (n.start_s + n.end_s) / 2 > 1.2 + 0.8  # a long line has to begin earlier
                told += 1
    assert told > 60
    alive = Event("fight", 1.2, [c for c in event.concepts if c != ACTIONS["kill"].concept])
    for seed in range(200):
        spoken = {w for n in narrate(alive, np.random.default_rng(seed)) for w in n.text.split()}
        assert not {"dead", "dies", "killed"} & spoken


@pytest.mark.parametrize("kind", list(SUBJECTS_OF_KIND))
def test_most_of_what_is_said_names_the_subject(kind: str) -> None:
    rng = np.random.default_rng(7)
    named = []
    for _ in range(300):
        event = _event(kind, rng)
        phrases = next(s for s in SUBJECTS if s.concept == event.concepts[0]).phrases
        named += [any(phrase in n.text for phrase in phrases) for n in narrate(event, rng)]
    assert np.mean(named) > 0.6


def test_only_the_thing_of_the_row_is_named() -> None:
    event = Event("pickup", 1.0, [PICKUPS["Medikit"].concept, ACTIONS["pickup"].concept, PLACES["grass"].concept])
    others = {phrase for key in ("Clip", "Backpack", "RedCard", "RadSuit") for phrase in PICKUPS[key].phrases}
    for seed in range(100):
        for n in narrate(event, np.random.default_rng(seed)):
            assert not any(f" {phrase} " in f" {n.text} " for phrase in others), n.text


def test_rare_wording_is_never_spoken() -> None:
    spoken = "\n".join({n.text for kind in KINDS for narrations in _many(kind) for n in narrations})
    for concept, queries in RARE.items():
        assert not any(query in spoken for query in queries), concept


def test_every_concept_is_told_in_other_words_too_and_never_in_those_of_the_evaluation() -> None:
    assert list(other_words()) == [s.concept for s in SUBJECTS]
    asked = {query for queries in (*PLAIN.values(), *RARE.values()) for query in queries}
    for concept, lines in other_words().items():
        assert len(set(lines)) == len(lines) >= 30, concept
        assert not asked & set(lines), concept
        for line in lines:
            assert line == line.lower().strip()
            assert line.replace(" ", "").isalpha(), line
            assert 2 <= len(line.split()) <= MOST_WORDS


def test_further_tellings_have_lines_in_other_words_about_what_is_there_and_the_first_none() -> None:
    event = _event("fight", np.random.default_rng(3))
    own = {line for concept in event.concepts for line in other_words()[concept]}
    every = {line for lines in other_words().values() for line in lines}
    told = [tell(event, 1, index, tracks=4) for index in range(100)]
    once = [tell(event, 1, index) for index in range(100)]
    assert [[n for n in narrations if n.track == 0] for narrations in told] == once
    assert not every & {n.text for narrations in once for n in narrations}
    lines = [n.text for narrations in told for n in narrations if n.text in every]
    assert set(lines) <= own
    assert 0.4 < len(lines) / 300 < 0.6  # of the further tellings


def test_every_concept_has_its_own_queries_and_many_phrases() -> None:
    assert [s.concept for s in SUBJECTS] == list(CONCEPT_QUERIES) == list(RARE)
    assert len(SUBJECTS) >= 90
    assert all(len(set(queries)) == 2 for queries in CONCEPT_QUERIES.values())
    seen = [s for s in SUBJECTS if not s.concept.startswith("action:") and s.concept != "weapon:fists"]
    assert min(len(s.phrases) for s in seen) >= 10
    assert all(len(set(s.phrases)) == len(s.phrases) for s in SUBJECTS)


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("zombie", "a zombie"),
        ("evil eye", "an evil eye"),
        ("fists", "fists"),
        ("biggest gun", "the biggest gun"),
        ("undead soldier", "an undead soldier"),
    ],
)
def test_articles(phrase: str, said: str) -> None:
    assert with_article(phrase) == said


def test_a_plan_depends_on_its_number_alone_and_keeps_monsters_in_balance() -> None:
    plans = [plan_clip(5, i) for i in range(2000)]
    assert [plan_clip(5, i) for i in reversed(range(2000))] == plans[::-1]
    assert plans != [plan_clip(6, i) for i in range(2000)]
    monsters = Counter(p.subject for p in plans if p.kind in ("monster", "fight"))
    assert set(monsters) == set(MONSTERS)
    assert max(monsters.values()) - min(monsters.values()) <= 4
    assert 0.09 < np.mean([not p.with_text for p in plans]) < 0.15
    assert 0.02 < np.mean([not p.with_sound for p in plans]) < 0.06
