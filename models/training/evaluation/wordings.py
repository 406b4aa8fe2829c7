"""The concepts' text queries, in the wordings that evaluation asks in."""

from models.training.data.footage.vocabulary import CONCEPT_QUERIES
from models.training.data.footage.wording_plain import PLAIN
from models.training.data.footage.wording_rare import RARE

Wordings = dict[str, dict[str, list[str]]]

GENERATOR, PLAIN_LANGUAGE, RARE_WORDING = "generator's wording", "plain language", "rare wording"

# Plain and rare queries were written by hand; no narration that a network is trained on is made of them.
FOOTAGE_WORDINGS: Wordings = {
    GENERATOR: CONCEPT_QUERIES,
    PLAIN_LANGUAGE: {concept: list(texts) for concept, texts in PLAIN.items()},
    RARE_WORDING: {concept: list(texts) for concept, texts in RARE.items()},
}


def pairs(queries: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(concept, query) of every query."""
    return [(concept, query) for concept, texts in queries.items() for query in texts]
