"""The figures of an evaluation as a Markdown page: each beside chance, with its 95% interval."""

from typing import Any

from models.training.evaluation.wordings import GENERATOR

WORST = 20
HEAD = "| R@1 | R@5 | R@10 | median rank |\n|---|---|---|---|---|"


def report(metrics: dict[str, Any], command: str) -> str:
    """The metrics that `evaluate` gives, as a page."""
    data = metrics["data"]
    parts = [
        f"{data['clips']} clips of {len(data['maps'])} maps that training never saw ({', '.join(data['maps'])}). "
        "Each figure in percent, its 95% interval (bootstrap over the queries), chance in brackets.",
        f"Written by `{command}`.",
        _retrieval(metrics["retrieval"]),
        *([_ceiling(metrics["ceiling"])] if metrics.get("ceiling") else []),
        *([_heard_perfectly(metrics["heard_perfectly"])] if metrics.get("heard_perfectly") else []),
        _concepts(metrics["concepts"]),
    ]
    if "gap" in metrics:
        points, interval = metrics["gap"]["precision_at_5"], metrics["gap"]["mean_average_precision"]
        parts.append(
            "Plain language, which was written by hand and never trained on, is below the generator's wording by "
            f"{_points(points)} points of P@5 and {_points(interval)} points of mAP."
        )
    if metrics.get("naming"):
        parts.append(_naming(metrics["naming"]))
    if metrics.get("alike"):
        parts.append(_alike(metrics["alike"]))
    if "deflation" in metrics:
        parts.append(_deflation(metrics["deflation"]))
    if GENERATOR in metrics["concepts"]:
        parts.append(_queries(metrics["concepts"]))
    return "\n\n".join(parts) + "\n"


def _retrieval(directions: dict[str, Any]) -> str:
    items = sorted({r["items"] for r in directions.values()})
    lines = [
        f"A part of a clip finds another part of it, among {' or '.join(map(str, items))} clips: for each query its "
        "own clip and others drawn from the pool, averaged over all draws.",
        "",
        f"| query -> what is found | queries {HEAD.replace('|---', '|---|---', 1)}",
    ]
    for name, r in directions.items():
        lines.append(f"| {name} | {r['queries']} | {' | '.join(_recalls(r))} |")
    return "\n".join(lines)


def _ceiling(ceilings: dict[str, Any]) -> str:
    return _recall_table(
        "For comparison, a perfect ranker of concepts on the same texts and clips: by how many of the concepts that a "
        "text names a clip has (for sound: of those that can be heard; all items share one chime), ties at random. The "
        "text of a clip is the narration that names most of what it shows, or of what can be heard in it; what is "
        "said at the event may be anything.",
        "a perfect concept ranker",
        ceilings,
    )


def _heard_perfectly(bounds: dict[str, Any]) -> str:
    return _recall_table(
        "How much of what is missed by words for sounds is misheard: the network's own order, but with every clip that "
        "lacks something audible which the text names behind all others. What is missed still sounds alike by name.",
        "if nothing were misheard",
        bounds,
    )


def _recall_table(said: str, title: str, directions: dict[str, Any]) -> str:
    rows = [f"| {name} | {' | '.join(_recalls(r))} |" for name, r in directions.items()]
    return "\n".join([said, "", f"| {title} {HEAD}", *rows])


def _recalls(r: dict[str, Any]) -> list[str]:
    cells = [
        f"{_share(r['recall'][k], r['interval'][k])} ({100 * r['chance_recall'][k]:.1f})"
        for k in ("R@1", "R@5", "R@10")
    ]
    low, high = r["interval"]["median_rank"]
    return [*cells, f"{r['median_rank']:.1f} [{low:.1f}, {high:.1f}] ({r['chance_median_rank']:g})"]


def _concepts(concepts: dict[str, Any]) -> str:
    lines = [
        "Words for a concept find the moments that have it, by sight and sound as the service ranks. P@5 is the share "
        "of right ones among the first five, or among as many as there are where they are fewer: 100 is possible.",
        "",
        "| concept queries -> moments | queries | P@5 | mAP | chance |",
        "|---|---|---|---|---|",
    ]
    for name, c in concepts.items():
        values = [_share(c[k], c["interval"][k]) for k in ("precision_at_5", "mean_average_precision")]
        lines.append(f"| {name} | {c['queries']} | {' | '.join(values)} | {100 * c['chance']:.1f} |")
    return "\n".join(lines)


def _naming(kinds: dict[str, Any]) -> str:
    lines = [
        "A clip's concept named right: the best of all names of its kind, each the mean of its queries.",
        "",
        "| what is named | wording | clips | of | right | chance |",
        "|---|---|---|---|---|---|",
    ]
    for kind, wordings in kinds.items():
        for wording, n in wordings.items():
            right = _share(n["right"], n["interval"])
            lines.append(f"| {kind} | {wording} | {n['clips']} | {n['classes']} | {right} | {100 * n['chance']:.1f} |")
    return "\n".join(lines)


def _alike(kinds: dict[str, Any]) -> str:
    lines = [
        "By a still, other clips of what it shows: the share of the first five beside its own clip, as the service "
        "ranks, which looks for the very same moment first.",
        "",
        "| what is shown | stills | P@5 | chance |",
        "|---|---|---|---|",
    ]
    for kind, a in kinds.items():
        lines.append(f"| {kind} | {a['stills']} | {_share(a['precision'], a['interval'])} | {100 * a['chance']:.1f} |")
    return "\n".join(lines)


def _deflation(d: dict[str, Any]) -> str:
    lines = [
        "Three ways to embed a still, image -> video in the fine space: the video network taken out of time (naive "
        "deflation), the same after training its batch norms, and the still repeated through the video network.",
        "",
        f"| path {HEAD}",
    ]
    for name, r in d["paths"].items():
        lines.append(f"| {name} | {' | '.join(_recalls(r))} |")
    closed = ", ".join(f"{k} {_share(c['share'], c['interval'])}" for k, c in d["gap_closed"].items())
    cost = d["seconds_per_still"]
    ways = [_cheaper(cost, "deflated", "alone")]
    if "deflated_among_others" in cost:  # not in what bundles of before recorded
        how = f"among {d['frames']} at once, as a library's frames are embedded"
        ways.append(_cheaper(cost, "deflated_among_others", how))
    lines += [
        "",
        f"Of the gap between naive deflation and input inflation, trained deflation closes, in percent: {closed}. "
        f"A still costs {1000 * cost['inflated']:.2f} ms of one core repeated {d['frames']} times, and through the "
        f"deflated network {' or '.join(ways)}.",
    ]
    return "\n".join(lines)


def _cheaper(cost: dict[str, float], way: str, how: str) -> str:
    return f"{1000 * cost[way]:.2f} ms {how} ({cost['inflated'] / cost[way]:.1f} times less)"


def _queries(concepts: dict[str, Any]) -> str:
    """Of the generator's own wording alone: whoever writes narrations reads this page, and must not know the others."""
    ordered = sorted(concepts[GENERATOR]["per_query_ap"].items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= 2 * WORST:
        return f"Average precision of each query: {_listed(ordered)}."
    return (
        f"The {WORST} queries that find best, with their average precision: {_listed(ordered[:WORST])}.\n\n"
        f"The {WORST} that find worst: {_listed(ordered[-WORST:])}."
    )


def _listed(queries: list[tuple[str, float]]) -> str:
    return ", ".join(f"{query} {100 * value:.0f}" for query, value in queries)


def _share(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.1f} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _points(gap: dict[str, Any]) -> str:
    return _share(gap["points"], gap["interval"])
