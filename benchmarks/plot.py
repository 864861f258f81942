"""A picture of the ratios: one line per workload, one mark per peer, on a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .contenders import BARE

if TYPE_CHECKING:
    from pathlib import Path

    from .measuring import Row

__all__ = ["plot"]

_MARKS = "osD^vP*X"


def plot(about: dict[str, Any], rows: list[Row], path: Path) -> None:
    """Draw the ratios of each workload that takes time into an SVG file.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; it comes with the extra ``bench``.
    """
    import matplotlib as mpl  # noqa: PLC0415 - for whoever asks for the picture

    mpl.use("svg")
    # The same measurement gives the same file, with text that can be searched.
    mpl.rcParams.update({"svg.hashsalt": "simloop", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the same
    from matplotlib.ticker import ScalarFormatter  # noqa: PLC0415 - the same

    shown = [row for row in rows if row.workload.quantity == "seconds" and row.ratios]
    shown.reverse()  # The axis grows upwards.
    peers = list(dict.fromkeys(peer for row in rows for peer in row.ratios if peer != BARE))
    figure, axes = plt.subplots(figsize=(8, 0.27 * len(shown) + 1.3), layout="constrained")
    axes.axvline(1, color="black", linewidth=1)
    for mark, peer in zip(_MARKS, peers, strict=False):
        points = [(row.ratio(peer), place) for place, row in enumerate(shown) if peer in row.ratios]
        axes.plot(*zip(*points, strict=True), mark, label=peer, markersize=5, alpha=0.8)
    axes.set_yticks(range(len(shown)), [row.workload.name for row in shown])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.grid(visible=True, linewidth=0.4)
    axes.set_xlabel(
        "a peer's time by simloop's: right of 1, simloop is faster\n"
        f"{about['date']}, {about['python']}, {about['machine']}"
    )
    axes.legend(loc="lower right", framealpha=1)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
