"""Loss, per-class F1 and calibration as pictures, PNG for slides and SVG for print, drawn from what the receipt records.

Here: matplotlib figures made without a display and without global state, the same bytes for the same figures and version. Not here:
measuring (`metrics`, `failure_modes`), which document shows which picture (`datasigil.models.companions`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FOLDER = "plots/"
CLASSES_MAX = 40  # bars in one picture; the lowest F1 first
_INK, _SOFT, _BLUE, _AMBER = "#1a1f28", "#5b6472", "#1d3f72", "#b0641a"
_DPI = 160
_LABEL_MAX = 34
TICKS_MAX = 20


def plots(history: Sequence[Mapping[str, Any]], test: Mapping[str, Any], modes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures of a run by path; one whose figures were not recorded is left out."""
    drawn: dict[str, bytes] = {}
    for name, draw, figures in (
        ("loss", _loss, history),
        ("per-class-f1", _per_class, test.get("model", {}).get("perClass", ())),
        ("calibration", _calibration, modes.get("calibration", {}).get("bins", ())),
    ):
        if figures:
            drawn |= {f"{FOLDER}{name}.{kind}": data for kind, data in _drawn(draw, figures).items()}
    return drawn


def _drawn(draw: Callable[[Any, Sequence[Mapping[str, Any]]], None], figures: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:  # fmt: skip
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "datasigil",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.edgecolor": _SOFT,
        "axes.labelcolor": _INK,
        "xtick.color": _SOFT,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        draw(figure, figures)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # placed once; each format would do it again
        files = {}
        for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata, dpi=_DPI)
            files[kind] = buffer.getvalue()
    return files


def _loss(figure: Any, history: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.add_subplot()
    epochs = [entry["epoch"] for entry in history]
    axes.plot(epochs, [float(entry["loss"]) for entry in history], color=_BLUE, marker="o", markersize=3, label="training loss")  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    if len(epochs) <= TICKS_MAX:
        axes.set_xticks(epochs)
    lines = axes.get_lines()
    if "validationMacroF1" in history[0]:
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        scores = [float(entry["validationMacroF1"]) for entry in history]
        lines += other.plot(epochs, scores, color=_AMBER, marker="s", markersize=3, label="validation macro-F1")
        other.set_ylim(0, 1)
        other.set_ylabel("macro-F1")
    figure.legend(lines, [line.get_label() for line in lines], loc="outside upper left", ncols=2, frameon=False)


def _per_class(figure: Any, classes: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.add_subplot()
    shown = sorted(classes, key=lambda one: float(one["f1"]))[:CLASSES_MAX]
    figure.set_size_inches(6.4, max(2.0, 0.9 + 0.27 * len(shown)))
    names = [f"{_short(str(one['label']))} ({one['rows']})" for one in shown]
    bars = axes.barh(range(len(shown)), [float(one["f1"]) for one in shown], color=_BLUE, height=0.62)
    axes.bar_label(bars, labels=[f"{float(one['f1']):.2f}" for one in shown], padding=3, color=_INK, fontsize=8)
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_xlim(0, 1.08)
    axes.set_xlabel("F1 on the test split (rows of the class in brackets)")
    axes.invert_yaxis()


def _calibration(figure: Any, bins: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.add_subplot()
    figure.set_size_inches(4.8, 4.4)
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, linestyle="--", label="said = held")
    most = max(int(one["answers"]) for one in bins)
    said, held = [float(one["said"]) for one in bins], [float(one["held"]) for one in bins]
    axes.plot(said, held, color=_BLUE, linewidth=1)
    axes.scatter(said, held, s=[18 + 110 * int(one["answers"]) / most for one in bins], color=_BLUE, label="bins, larger with more answers", clip_on=False, zorder=3)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("mean probability the model said")
    axes.set_ylabel("share that held")
    axes.legend(loc="upper left", frameon=False)


def _short(text: str) -> str:
    plain = "".join(one if one.isprintable() and ord(one) < 0x2000 else "?" for one in text)
    return plain if len(plain) <= _LABEL_MAX else plain[: _LABEL_MAX - 1] + "…"


__all__ = ["FOLDER", "plots"]
