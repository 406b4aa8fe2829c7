"""What is said over a clip, and the plan of a set."""

from collections import Counter

import numpy as np
import pytest

from models.training.data.footage.narrate import CLIP_SECONDS, MOST_WORDS, all_words, narrate, with_article
from models.training.data.footage.scenes import CLIP_TICS, Facts, plan_clip
from models.training.data.footage.templates import VAGUE
from models.training.data.footage.vocabulary import (
    CONCEPT_QUERIES,
    MONSTERS,
    PARAPHRASES,
    PICKUPS,
    PLACES,
    SUBJECTS,
    THINGS,
    WEAPONS,
)
from models.training.data.manifest import Narration

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


def _facts(kind: str, rng: np.random.Generator) -> Facts:
    table = SUBJECTS_OF_KIND.get(kind, PLACES if kind == "explore" else {"": None})
    subject = list(table)[int(rng.integers(len(table)))]
    weapon = {"fire": subject, "fight": "SuperShotgun", "barrel": "Pistol"}.get(kind, "")
    killed = 110 if kind == "fight" and rng.random() < 0.5 else None
    return Facts(
        kind, int(rng.integers(10, CLIP_TICS - 20)), subject, weapon, killed, ["outdoors", "lava"], "", ["BigTree"]
    )


def _many(kind: str, count: int = 300) -> list[list[Narration]]:
    rng = np.random.default_rng(7)
    return [narrate(_facts(kind, rng), rng) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_three_to_five_short_lower_case_narrations_inside_the_clip(kind: str) -> None:
    for narrations in _many(kind):
        assert 3 <= len(narrations) <= 5
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
    assert len(all_words()) > 600
    spoken = Counter(
        word for kind in KINDS for narrations in _many(kind) for n in narrations for word in n.text.split()
    )
    assert len(spoken) > 600


def test_the_same_seed_says_the_same() -> None:
    assert _many("fight", 20) == _many("fight", 20)


def test_a_killed_monster_is_only_said_to_be_dead_after_it_died() -> None:
    facts = Facts("fight", 40, "DoomImp", "Shotgun", 90, ["indoors"])
    for seed in range(200):
        for n in narrate(facts, np.random.default_rng(seed)):
            if n.end_s < 90 / 35:
                assert "dead" not in n.text.split()


def test_paraphrases_are_never_spoken() -> None:
    spoken = {n.text for kind in KINDS for narrations in _many(kind) for n in narrations}
    for concept, paraphrases in PARAPHRASES.items():
        for paraphrase in paraphrases:
            assert not any(paraphrase in text for text in spoken), (concept, paraphrase)
            # and not only in another order: some of its words are new to whoever learned from the narrations
            assert set(paraphrase.split()) - all_words(), (concept, paraphrase)


def test_every_concept_has_its_own_queries() -> None:
    assert len(SUBJECTS) == len(CONCEPT_QUERIES) == len(PARAPHRASES) >= 90
    assert all(len(set(queries)) == 2 for queries in CONCEPT_QUERIES.values())
    assert all(len(set(queries)) == 2 for queries in PARAPHRASES.values())


@pytest.mark.parametrize(
    ("phrase", "said"),
    [("zombie", "a zombie"), ("evil eye", "an evil eye"), ("fists", "fists"), ("biggest gun", "the biggest gun")],
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
