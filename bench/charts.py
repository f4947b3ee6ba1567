"""Plain bar charts as SVG.

Owns: the pictures. Never knows: files, tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bench.summary import Results

__all__ = ["bars", "pictures"]

_ROW: Final = 22
_LEFT: Final = 190
_WIDTH: Final = 720
_COLORS: Final = {"logboom": "#0b7285", "own-file": "#868e96"}
_OTHER: Final = "#ced4da"


def bars(title: str, values: Sequence[tuple[str, float]], unit: str) -> str:
    """A horizontal bar for each value, the longest across the width."""
    most = max((value for _, value in values), default=0.0) or 1.0
    height = _ROW * len(values) + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-weight="600" fill="#212529">{escape(title)}</text>',
    ]
    for index, (name, value) in enumerate(values):
        parts += _bar(name, value, unit, top=36 + index * _ROW, length=(_WIDTH - _LEFT - 90) * value / most)
    return "\n".join([*parts, "</svg>", ""])


def _bar(name: str, value: float, unit: str, *, top: int, length: float) -> list[str]:
    color = _COLORS.get(name, _OTHER)
    end = _LEFT + length
    return [
        f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end" fill="#212529">{escape(name)}</text>',
        f'<rect x="{_LEFT}" y="{top + 2}" width="{max(length, 1):.1f}" height="{_ROW - 6}" fill="{color}"/>',
        f'<text x="{end + 6:.1f}" y="{top + 14}" fill="#495057">{value:.3g}{escape(unit)}</text>',
    ]


def pictures(results: Results) -> dict[str, str]:
    """SVG text by name, for what was run."""
    made = {}
    for case in ("4", "32"):
        for measure, title in (
            ("rate", f"Records a second, {case} processes, beside a file of one's own (more is better)"),
            ("cpu_us", f"CPU time a record, {case} processes, everybody's (less is better)"),
        ):
            values = _ratios(results, "throughput", case, measure)
            if values:
                made[f"{measure.removesuffix('_us')}-{case}"] = bars(title, values, " x")
    values = _ratios(results, "calls", "1", "p50_us")
    if values:
        made["call"] = bars(
            "A log call's wall time, median, beside FileHandler's (less is better)", values, " x"
        )
    return made


def _ratios(results: Results, scenario: str, case: str, measure: str) -> list[tuple[str, float]]:
    found = []
    for contender in results.contenders(scenario):
        spread = None if "/" in contender else results.ratio(scenario, contender, case, measure, "own-file")
        if spread:
            found.append((contender, spread.median))
    return found
