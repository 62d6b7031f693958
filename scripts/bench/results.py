"""Measures two or more servers in turn, and prints medians, ratios and what they should be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from statistics import median

Measure = Callable[[], float]


def in_turn(measures: Mapping[str, Measure], rounds: int) -> dict[str, float]:
    """Measure each, one after the other, *rounds* times; return each one's median."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: median(values) for name, values in found.items()}


class Table:
    """Rows that are printed as they come, as Markdown.

    :ivar missed: what did not reach its target.
    """

    def __init__(self, title: str, *columns: str) -> None:
        self.missed: list[str] = []
        print(f"\n### {title}\n")
        print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)

    def row(self, name: str, *cells: str) -> None:
        print(f"| {' | '.join((name, *cells))} |", flush=True)

    def compared(
        self,
        name: str,
        theirs: float,
        ours: float,
        target: float | None,
        limit: float | None = None,
    ) -> None:
        """Print a row of two rates, their ratio, its target, and how much of the limit it is."""
        ratio = ours / theirs
        aim = "" if target is None else f"≥ {target:g}"
        if target is not None and ratio < target:
            aim += " ✗"
            self.missed.append(f"{name}: {ratio:.2f}, not {target:g}")
        share = "" if limit is None else f"{ours / limit:.0%} of {figure(limit)}"
        self.row(name, figure(theirs), figure(ours), f"{ratio:.2f}", aim, share)


def figure(value: float) -> str:
    """Return a rate with three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def fail_if(missed: list[str]) -> None:
    """End the program with what was missed, if anything was."""
    if missed:
        sys.exit("missed: " + "; ".join(missed))
