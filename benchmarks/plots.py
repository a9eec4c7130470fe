"""Draws the report's pictures: bars and lines in SVG, readable on light and on dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 760
LEFT = 190
RIGHT = 90
BAR = 22
GAP = 12
TOP = 46
COLOURS = ("#0f766e", "#d97706", "#4f46e5", "#be123c", "#64748b", "#15803d", "#7c3aed")
FONT = "font-family='system-ui, sans-serif' font-size='13' fill='#1f2937'"


def bars(title: str, unit: str, parts: Sequence[str], rows: Mapping[str, Sequence[float]]) -> str:
    """Draw a bar a row, in as many parts as are named, with the sum at its end."""
    longest = max(sum(values) for values in rows.values())
    scale = (WIDTH - LEFT - RIGHT) / longest
    drawn = []
    for index, (name, values) in enumerate(rows.items()):
        y = TOP + index * (BAR + GAP)
        drawn.append(_text(LEFT - 8, y + 16, name, anchor="end"))
        x = float(LEFT)
        for value, colour in zip(values, COLOURS, strict=False):
            drawn.append(_rectangle(x, y, value * scale, BAR, colour))
            x += value * scale
        drawn.append(_text(x + 6, y + 16, f"{_number(sum(values))} {unit}"))
    return _picture(title, TOP + len(rows) * (BAR + GAP), [*_legend(parts), *drawn])


def lines(title: str, unit: str, across: Sequence[int], rows: Mapping[str, Sequence[float]]) -> str:
    """Draw a line a row over the values `across`, evenly spaced."""
    height, bottom = 260, TOP + 16 + 260
    highest = max(max(values) for values in rows.values())
    step = (WIDTH - 120 - RIGHT) / (len(across) - 1)
    xs = [120 + index * step for index in range(len(across))]
    drawn = [
        _text(x, bottom + 22, f"{value} MB", anchor="middle")
        for x, value in zip(xs, across, strict=True)
    ]
    for part in range(5):
        value = highest * part / 4
        y = bottom - height * part / 4
        drawn.append(f"<path d='M120 {y:.0f}H{WIDTH - RIGHT}' stroke='#d1d5db'/>")
        drawn.append(_text(112, y + 4, f"{value:.0f} {unit}", anchor="end"))
    for values, colour in zip(rows.values(), COLOURS, strict=False):
        ys = [bottom - height * value / highest for value in values]
        points = " ".join(f"{x:.0f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        drawn.append(
            f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2.5'/>"
        )
        drawn += [
            f"<circle cx='{x:.0f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>"
            for x, y in zip(xs, ys, strict=True)
        ]
    return _picture(title, bottom + 34, [*_legend(list(rows)), *drawn])


def _legend(names: Sequence[str]) -> list[str]:
    drawn, x = [], 16.0
    for name, colour in zip(names, COLOURS, strict=False):
        drawn.append(_rectangle(x, 30, 10, 10, colour))
        drawn.append(_text(x + 15, 39, name))
        x += 15 + 7.6 * len(name) + 18
    return drawn


def _picture(title: str, height: float, drawn: Sequence[str]) -> str:
    named = f"role='img' aria-label='{escape(title, quote=True)}'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}' {named}>",
            f"<rect width='{WIDTH}' height='{height:.0f}' fill='#ffffff'/>",
            f"<text x='16' y='20' {FONT} font-weight='600'>{escape(title)}</text>",
            *drawn,
            "</svg>\n",
        ]
    )


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height}' fill='{colour}'/>"


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {FONT}>{escape(text)}</text>"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"  # noqa: PLR2004 - two digits are read.
