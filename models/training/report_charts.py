"""Line charts as the numbers that their SVG is made of; how they look is the template's business."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 230  # of the drawing, in SVG's units
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 8, 24  # room for the labels of the axes

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A named line through (step, value) points; values that are not finite are left out."""

    label: str
    points: Points
    style: str = "plain"  # or "faint" (behind another one, not in the legend), "dashed", "dots" (marked points)


@dataclass(frozen=True)
class Drawn:
    """A line in the drawing: the colour's number, the `d` of its path, its points and what each says."""

    label: str
    style: str
    colour: int
    path: str
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """A chart in the drawing's units: lines, and where on each axis which label stands."""

    title: str
    lines: list[Drawn]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def chart(title: str, lines: Sequence[Line], *, percent: bool = False, from_zero: bool = True) -> Chart | None:
    """Lay the lines out; a faint line has the colour of the next one. None where there is nothing to draw."""
    scale = 100 if percent else 1
    finite = [
        Line(n.label, [(x, scale * y) for x, y in n.points if math.isfinite(y)], n.style) for n in lines if n.points
    ]
    xs = [x for line in finite for x, _ in line.points]
    ys = [y for line in finite for _, y in line.points]
    if not ys:
        return None
    x_ticks = ticks(min(0.0, *xs), max(xs), 5)
    y_ticks = ticks(min(0.0, *ys) if from_zero else min(ys), max(ys), 5, around=True)
    x_low, x_high = min(0.0, *xs), max(*xs, x_ticks[0] + 1e-9)
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(TOP + (y_high - y) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1)

    unit = " %" if percent else ""
    drawn, colour = [], 0
    for line in finite:
        placed = [place(x, y) for x, y in line.points]
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in placed) if placed else ""
        said = [f"{line.label}, step {x:g}: {y:.4g}{unit}" for x, y in line.points]
        dots = [(*p, s) for p, s in zip(placed, said, strict=True)] if line.style == "dots" else []
        drawn.append(Drawn(line.label, line.style, colour, path, dots))
        colour += line.style not in ("faint", "dashed")
    return Chart(
        title,
        drawn,
        [(place(x, y_low)[0], f"{x:g}") for x in x_ticks],
        [(place(x_low, y)[1], f"{y:g}{unit}") for y in y_ticks],
    )


def ticks(low: float, high: float, about: int, *, around: bool = False) -> list[float]:
    """Round numbers from low to high, roughly so many; `around`: the first and the last lie outside or on the ends."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    slack = 1e-9  # of rounding in the division
    first = math.floor(low / step + slack) if around else math.ceil(low / step - slack)
    last = math.ceil(high / step - slack) if around else math.floor(high / step + slack)
    return [float(f"{i * step:.6g}") for i in range(first, last + 1)]


def smoothed(points: Points, reach: int = 4) -> list[tuple[float, float]]:
    """Each value's mean with those up to `reach` before and after it, as many on both sides; finite ones only."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    out = []
    for i, (x, _) in enumerate(finite):
        side = min(reach, i, len(finite) - 1 - i)
        near = [y for _, y in finite[i - side : i + side + 1]]
        out.append((x, sum(near) / len(near)))
    return out
