"""The promises of protocol.py, asked of every index."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import PAD_ID, PAD_SCORE, FloatArray, IdArray
from index.tests.reference import BUILDERS, Build, reference_search


@pytest.fixture(params=BUILDERS)
def build(request: pytest.FixtureRequest) -> Build:
    return BUILDERS[request.param]


def unit_rows(rng: np.random.Generator, rows: int, dim: int) -> FloatArray:
    matrix = rng.standard_normal((rows, dim)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def many(rows: int = 6000, dim: int = 16) -> tuple[IdArray, FloatArray]:
    """Several rows an id, and a hundred equal vectors under different ids."""
    rng = np.random.default_rng(3)
    ids, vectors = rng.integers(0, rows // 3, rows), unit_rows(rng, rows, dim)
    vectors[rng.choice(rows, 100, replace=False)] = vectors[0]
    return ids, vectors


@pytest.mark.parametrize("name", BUILDERS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.one_of(st.integers(0, 12), st.integers(30, 150)),
    dim=st.sampled_from([1, 3, 16, 33]),
    k=st.integers(1, 8),
    some=st.sampled_from([None, 0.0, 0.3, 1.0]),
    out=st.sampled_from([None, 0.2]),
    levels=st.sampled_from([1, 2, None]),
)
def test_any_index_agrees_with_the_protocol_in_plain_python(
    name: str, seed: int, rows: int, dim: int, k: int, some: float | None, out: float | None, levels: int | None
) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, max(1, rows // 2), rows) * 7
    # Few levels make most scores tie; the others are reals among which some vectors are repeated.
    if levels:
        vectors = rng.integers(-levels, levels + 1, (rows, dim)).astype(np.float32)
    else:
        vectors = unit_rows(rng, rows, dim)
        vectors[rng.random(rows) < 0.3] = vectors[0] if rows else 0
    queries = np.concatenate([vectors[:2], rng.standard_normal((1, dim)).astype(np.float32)])
    everything = np.arange(-2, 7 * rows + 9)  # unknown ids too
    allowed = None if some is None else rng.permutation(everything[rng.random(len(everything)) <= some])
    excluded = None if out is None else everything[rng.random(len(everything)) <= out]

    with tempfile.TemporaryDirectory() as folder:
        index = BUILDERS[name](ids, vectors, Path(folder))
        scores, hits = index.search(queries, k, allowed, excluded)
        known = index.scores_for(queries[0], everything)

    assert len(index) == rows
    assert (scores.dtype, scores.shape, hits.dtype, hits.shape) == (
        np.float32,
        (len(queries), k),
        np.int64,
        scores.shape,
    )
    keep = None if allowed is None else set(allowed.tolist())
    drop = set() if excluded is None else set(excluded.tolist())
    for query, got_scores, got_hits in zip(queries, scores, hits, strict=True):
        assert (got_scores.tolist(), got_hits.tolist()) == reference_search(ids, vectors, query, k, keep, drop)
    best = dict(zip(*reversed(reference_search(ids, vectors, queries[0], rows + 1)), strict=True))
    assert known.tolist() == [
        best.get(item, PAD_SCORE) if item != PAD_ID else PAD_SCORE for item in everything.tolist()
    ]


def test_a_large_index_agrees_too(build: Build, tmp_path: Path) -> None:
    ids, vectors = many()
    index = build(ids, vectors, tmp_path)
    queries = np.concatenate([vectors[:3], unit_rows(np.random.default_rng(1), 25, 16)])  # over 20: FAISS uses its BLAS
    for allowed in (None, np.arange(0, 2000, 2), np.arange(50)):
        for k in (1, 10, 300):
            scores, hits = index.search(queries, k, allowed)
            keep = None if allowed is None else set(allowed.tolist())
            for i in (0, 2, 20):
                assert (scores[i].tolist(), hits[i].tolist()) == reference_search(ids, vectors, queries[i], k, keep)


def test_equal_vectors_rank_by_id_however_many_there_are(build: Build, tmp_path: Path) -> None:
    vector = unit_rows(np.random.default_rng(0), 1, 257)[0]
    ids = np.random.default_rng(1).permutation(500)
    scores, hits = build(ids, np.tile(vector, (500, 1)), tmp_path).search(vector[None], 5)
    assert hits.tolist() == [[0, 1, 2, 3, 4]]
    assert len(set(scores[0].tolist())) == 1


def test_scores_closer_than_rounding_are_still_in_exact_order(build: Build, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids, vectors = rng.permutation(600), np.tile(unit_rows(rng, 1, 257), (600, 1))
    vectors += rng.standard_normal(vectors.shape).astype(np.float32) * np.float32(1e-8)
    queries = unit_rows(rng, 30, 257)  # over 20: FAISS then sums in another order
    scores, hits = build(ids, vectors, tmp_path).search(queries, 1)
    for i, query in enumerate(queries):
        assert (scores[i].tolist(), hits[i].tolist()) == reference_search(ids, vectors, query, 1)


def test_an_id_with_many_good_rows_does_not_crowd_out_the_others(build: Build, tmp_path: Path) -> None:
    good, other = np.array([1.0, 0.0], np.float32), np.array([0.5, 0.5], np.float32)
    ids = np.r_[np.full(400, 9), 5, 7]
    index = build(ids, np.vstack([np.tile(good, (400, 1)), other, -good]), tmp_path)
    scores, hits = index.search(good[None], 4)
    assert hits.tolist() == [[9, 5, 7, PAD_ID]]
    assert scores.tolist() == [[1.0, 0.5, -1.0, PAD_SCORE]]


def test_float16_vectors_score_as_their_float32_values(build: Build, tmp_path: Path) -> None:
    vectors: Any = unit_rows(np.random.default_rng(0), 20, 8).astype(np.float16)
    scores, hits = build(np.arange(20), vectors, tmp_path).search(vectors[:1], 3)
    assert (scores[0].tolist(), hits[0].tolist()) == reference_search(
        np.arange(20), vectors.astype(np.float32), vectors[0].astype(np.float32), 3
    )


def test_no_queries_give_no_hits(build: Build, tmp_path: Path) -> None:
    scores, hits = build([1], np.ones((1, 2), np.float32), tmp_path).search(np.empty((0, 2), np.float32), 3)
    assert scores.shape == hits.shape == (0, 3)


@pytest.mark.parametrize(
    ("queries", "k", "allowed"),
    [
        (np.ones((1, 3), np.float32), 1, None),  # wrong dimension
        (np.ones(2, np.float32), 1, None),  # not a matrix
        (np.ones((1, 2), np.int64), 1, None),  # not floats
        (np.full((1, 2), np.nan, np.float32), 1, None),
        (np.ones((1, 2), np.float32), 0, None),
        (np.ones((1, 2), np.float32), 1, np.array([True])),  # a mask is not a list of ids
        (np.ones((1, 2), np.float32), 1, np.array([[1]])),
    ],
)
def test_a_malformed_search_is_refused(
    build: Build, tmp_path: Path, queries: FloatArray, k: int, allowed: IdArray | None
) -> None:
    index = build([1, 2, 3], np.ones((3, 2), np.float32), tmp_path)
    with pytest.raises(ValueError, match="must be"):
        index.search(queries, k, allowed)


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1, 2], np.ones((3, 2), np.float32)),
        ([1, 2, -1], np.ones((3, 2), np.float32)),
        ([1.0, 2.0, 3.0], np.ones((3, 2), np.float32)),
        ([1, 2, 3], np.ones((3, 2), np.int32)),
        ([1, 2, 3], np.ones((3, 0), np.float32)),
        ([1, 2, 3], np.full((3, 2), np.inf, np.float32)),
        ([1, 2, 3], np.full((3, 2), 1e300)),  # finite, but not in float32
    ],
)
def test_malformed_rows_are_refused(build: Build, tmp_path: Path, ids: list[int], vectors: FloatArray) -> None:
    with pytest.raises(ValueError, match=r"must|ids for"):
        build(ids, vectors, tmp_path)


def test_concurrent_searches_agree_with_a_single_one(build: Build, tmp_path: Path) -> None:
    ids, vectors = many()
    index = build(ids, vectors, tmp_path)
    allowed = np.arange(0, 2000, 2)
    wanted = index.search(vectors[:4], 10, allowed)
    with ThreadPoolExecutor(4) as pool:
        for scores, hits in pool.map(lambda _: index.search(vectors[:4], 10, allowed), range(24)):
            assert np.array_equal(scores, wanted[0])
            assert np.array_equal(hits, wanted[1])
