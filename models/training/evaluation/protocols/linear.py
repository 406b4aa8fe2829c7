"""The linear probe of the reference: standardised features, a linear SVM, windows' scores averaged."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC


@dataclass(frozen=True)
class LinearProbe:
    """A fitted scaler and SVM; `converged` is False where the solver stopped at scikit-learn's 1,000 iterations."""

    scaler: StandardScaler
    svm: LinearSVC
    converged: bool

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """float [N, D] to [N, classes], in the order of `classes`; of two classes too."""
        decisions = self.svm.decision_function(self.scaler.transform(rows))
        return np.stack([-decisions, decisions], axis=1) if decisions.ndim == 1 else decisions

    @property
    def classes(self) -> np.ndarray:
        """The labels that training had, ascending."""
        return self.svm.classes_


def fit_probe(rows: np.ndarray, labels: np.ndarray, c: float) -> LinearProbe:
    """rows float32 [N, D], labels int [N]. Source: eval_ucf101.py, `StandardScaler` then `LinearSVC(C)`.

    Raises ValueError where there is just one class to learn.
    """
    scaler = StandardScaler().fit(rows)
    svm = LinearSVC(C=c, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        svm.fit(scaler.transform(rows), labels)
    return LinearProbe(scaler, svm, not any(issubclass(w.category, ConvergenceWarning) for w in caught))


def mean_scores(scores: np.ndarray, windows: int) -> np.ndarray:
    """[items * windows, C], an item's windows one after the other, to [items, C]."""
    return scores.reshape(-1, windows, scores.shape[1]).mean(axis=1)


def ranked_labels(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Labels [N, C], the best first."""
    return classes[np.argsort(-scores, axis=1, kind="stable")]
