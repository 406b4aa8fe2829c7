"""How well an encoder pair does on held-out films, and whether another one does better."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.bundle import VOCABULARY
from models.preprocess.text import Tokenizer, UnknownWords
from models.runtime import Encoders
from models.training.adapt_split import FEWEST_WINDOWS
from models.training.adapt_windows import Windows
from models.training.evaluation.bootstrap import Interval, middle, resamples
from models.training.evaluation.metrics import RANKS, beaten_by, retrieval

BATCH = 16
WORDS = 200  # drawn from the vocabulary, to compare rankings by
SAME_RANKING = 0.5  # least mean rank correlation of what words find before and after; one that forgot them has 0
# Enough is said to judge word search by: in as many windows as sound and vision need at the least, and in two films
# (the interval is over films; that of one film is a point). By less, words that are lost pass by chance.
FEWEST_TOLD, FEWEST_FILMS_TOLD = FEWEST_WINDOWS["judge"], 2

Vision = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # uint8 [B, T, H, W, 3] -> fine, coarse; normalised
Sound = Callable[[np.ndarray], np.ndarray]  # float32 [B, S] -> fine, normalised


@dataclass(frozen=True)
class Embedded:
    """The held-out windows with picture and sound: fine [N, F] twice, coarse [N, C], film [N]; and what is said there.

    text [M, C] has a row for each of the windows `text_rows` [M].
    """

    film: np.ndarray
    vision: np.ndarray
    sound: np.ndarray
    coarse: np.ndarray
    text: np.ndarray
    text_rows: np.ndarray


def embed(windows: Windows, vision: Vision, sound: Sound) -> Embedded:
    """By any network; no text."""
    rows = windows.heard()
    seen, heard = [], []
    for i in range(0, len(rows), BATCH):
        seen.append(vision(windows.frames[rows[i : i + BATCH]]))
        heard.append(sound(windows.waveforms(rows[i : i + BATCH])))
    fine, coarse = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    none = np.zeros((0, coarse.shape[1]), np.float32)
    return Embedded(windows.film[rows], fine, np.concatenate(heard), coarse, none, np.zeros(0, np.int64))


def embed_with(encoders: Encoders, windows: Windows) -> Embedded:
    """By a bundle, as the service does it; with what is said, where the bundle knows words."""

    def vision(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        embedding = encoders.video(frames)
        return embedding.fine, embedding.fine if embedding.coarse is None else embedding.coarse

    found = embed(windows, vision, lambda wave: encoders.audio(wave).fine)
    told = _said(encoders, windows)
    if not told:
        return found
    text = np.concatenate([encoders.text([words]) for words in told.values()])
    return Embedded(found.film, found.vision, found.sound, found.coarse, text, np.array(list(told), np.int64))


def _said(encoders: Encoders, windows: Windows) -> dict[int, str]:
    """What is said in a held-out window, where it is and has a known word, by its place among them."""
    if "text" not in encoders.bundle.modalities:
        return {}
    tokenizer = _tokenizer(encoders)
    told = {i: " ".join(n.text for n in windows.said(int(row))) for i, row in enumerate(windows.heard())}
    return {i: text for i, text in told.items() if _known(text, tokenizer)}


def _tokenizer(encoders: Encoders) -> Tokenizer:
    inputs = encoders.bundle.inputs
    return Tokenizer.from_file(encoders.bundle.path / VOCABULARY, inputs.words, inputs.hyphens)


def _known(text: str, tokenizer: Tokenizer) -> bool:
    try:
        tokenizer.require_known(text)
    except UnknownWords:
        return False
    return True


def directions(found: Embedded) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Similarities [Q, N], each query's own window [Q], and the queries' films [Q], by direction."""
    own = np.arange(len(found.film))
    out = {
        "sound -> vision": (found.sound @ found.vision.T, own, found.film),
        "vision -> sound": (found.vision @ found.sound.T, own, found.film),
    }
    if len(found.text):
        out["text -> vision"] = (found.text @ found.coarse.T, found.text_rows, found.film[found.text_rows])
    return out


def score(found: Embedded) -> float:
    """Mean over sound -> vision and vision -> sound of the recalls at 1, 5 and 10."""
    values = [_found(scores, truth) for scores, truth, _ in list(directions(found).values())[:2]]
    return float(np.mean(values))


def figures(found: Embedded) -> dict[str, Any]:
    """Each direction's metrics with chance and intervals, as plain values."""
    return {name: asdict(retrieval(scores, truth)) for name, (scores, truth, _) in directions(found).items()}


@dataclass(frozen=True)
class Verdict:
    """By how much the new one is better: points of mean recall, with 95% intervals over the films.

    `gain` is of sound and vision together; `text_gain` of text -> vision, None where nothing is said in the films;
    `text_agreement` the mean rank correlation of what words find before and after, None for a bundle without words.
    """

    gain: float
    gain_interval: Interval
    text_gain: float | None
    text_gain_interval: Interval | None
    text_agreement: float | None
    better: bool
    reason: str


def compare(before: Embedded, after: Embedded, old: Encoders, new: Encoders) -> Verdict:
    """Judge two bundles by the same windows. Films are drawn with replacement: windows of one are much alike."""
    olds, news = directions(before), directions(after)
    gains = {name: _found(*news[name][:2]) - _found(*olds[name][:2]) for name in olds}
    both = (gains["sound -> vision"] + gains["vision -> sound"]) / 2
    gain_interval = by_film(both, before.film)
    text = gains.get("text -> vision")
    text_interval = None if text is None else by_film(text, olds["text -> vision"][2])
    agreement = text_agreement(before, after, old, new)
    better, reason = True, "sound and vision find each other better"
    if gain_interval[0] <= 0:
        better, reason = False, "sound and vision do not find each other better, beyond chance"
    elif text_interval is not None and text_interval[1] < 0:
        better, reason = False, "words find the films worse"
    elif not _enough_told(before) and agreement is not None and agreement < SAME_RANKING:
        better, reason = (
            False,
            "words find other things than before, and too little is said in the films to tell whether rightly",
        )
    return Verdict(
        float(both.mean()),
        gain_interval,
        None if text is None else float(text.mean()),
        text_interval,
        agreement,
        better,
        reason,
    )


def _enough_told(found: Embedded) -> bool:
    films = np.unique(found.film[found.text_rows])
    return len(found.text_rows) >= FEWEST_TOLD and len(films) >= FEWEST_FILMS_TOLD


def by_film(values: np.ndarray, film: np.ndarray) -> Interval:
    """95% interval of the mean of values [Q], films resampled."""
    numbers = np.unique(film)
    sums = np.array([values[film == n].sum() for n in numbers])
    counts = np.array([(film == n).sum() for n in numbers])
    drawn = resamples(len(numbers))
    return middle(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def text_agreement(before: Embedded, after: Embedded, old: Encoders, new: Encoders) -> float | None:
    """Mean rank correlation, over words of the vocabulary, of the similarities to the windows before and after."""
    if "text" not in old.bundle.modalities:
        return None
    tokenizer = _tokenizer(old)
    words = [word for word in tokenizer.index if word.isalpha() and _known(word, tokenizer)]
    drawn = np.random.default_rng(0).choice(len(words), min(WORDS, len(words)), replace=False)
    queries = [words[i] for i in np.sort(drawn)]
    a = old.text(queries) @ before.coarse.T
    b = new.text(queries) @ after.coarse.T
    ranks_a, ranks_b = (np.argsort(np.argsort(x, axis=1), axis=1).astype(np.float64) for x in (a, b))
    ranks_a -= ranks_a.mean(axis=1, keepdims=True)
    ranks_b -= ranks_b.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks_a, axis=1) * np.linalg.norm(ranks_b, axis=1)
    return float(np.mean((ranks_a * ranks_b).sum(axis=1) / norms))


def _found(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float [Q]: the share of the ranks 1, 5 and 10 within which each query's own window is found."""
    better = beaten_by(scores, truth)
    return np.mean([better < k for k in RANKS], axis=0)
