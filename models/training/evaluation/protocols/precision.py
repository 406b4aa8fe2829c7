"""Average precision of one class, over test items that may count several times (as a bootstrap draws them)."""

import numpy as np

RECALLS = np.arange(11) / 10


def ranked(scores: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of the items by falling score, and which of them (in that order) are relevant. Ties keep their order."""
    order = np.argsort(-scores, kind="stable")
    return order, relevant[order].astype(bool)


def area_precision(relevant: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Mean of the precision at every relevant item of a ranking, bool [N]; NaN with none. counts [N] of each item."""
    precision, _, hits = _curve(relevant, counts)
    total = hits.sum()
    return float((precision * hits).sum() / total) if total else float("nan")


def eleven_point_precision(relevant: np.ndarray, counts: np.ndarray | None = None) -> float:
    """VOC2007's: the mean over recalls 0, 0.1, ... 1 of the best precision at that recall or beyond; NaN with none."""
    precision, recall, hits = _curve(relevant, counts)
    if not hits.sum():
        return float("nan")
    best = np.maximum.accumulate(precision[::-1])[::-1]
    # Recall steps up along the ranking: the first place at which a level is reached.
    places = np.searchsorted(recall, RECALLS - 1e-12)
    return float(best[places[places < len(best)]].sum() / len(RECALLS))


def _curve(relevant: np.ndarray, counts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    seen = np.ones(len(relevant)) if counts is None else counts.astype(float)
    hits = relevant * seen
    found, shown = hits.cumsum(), seen.cumsum()
    precision = np.divide(found, shown, out=np.zeros_like(found), where=shown > 0)
    total = found[-1] if len(found) else 0.0
    return precision, found / total if total else found, hits
