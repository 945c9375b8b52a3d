"""`gradtrace trace`: one backward pass, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine import Trace
from experiments.cli.ending import say
from experiments.cli.files import write_whole
from experiments.cli.flags import read_flags
from experiments.figures.traced import layers_table
from experiments.lab.question import SettingsError
from experiments.lab.results import check_folder
from experiments.pages.pictures import Picture
from experiments.pages.trace_page import page
from experiments.traces.passes import Settings, traced

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trace_command(args: Sequence[str], console: Console) -> None:
    """Print table and diagnosis, write the figure and, if asked for, the page; walk if asked to.

    Raises: FlagError, SettingsError, DataError.
    """
    settings = read_flags(Settings, args, "gradtrace trace")
    if settings is None:
        return
    folder = settings.results / "trace"
    check_folder(folder)
    if settings.html is not None:
        _check_page(settings.html)
    made = traced(settings)
    about = f"{made.net}; {made.data}, loss {made.loss:.4g}"
    diagnosis = made.trace.diagnose(lr=settings.lr)
    console.print()
    console.print(about, style="bold", highlight=False, markup=False)
    for finding in made.beware:
        console.print(f"beware: {finding}", highlight=False, markup=False)
    console.print()
    console.print(layers_table(made.trace))
    console.print()
    console.print(str(diagnosis), highlight=False, markup=False)
    figure = made.trace.plot(made.theory)
    written = _write_figure(folder, figure)
    if settings.html is not None:
        picture = Picture.of("distributions and profile by layer", written[1].read_bytes())
        text = page(made.trace, diagnosis, about, picture, made.theory)
        written.append(write_whole(settings.html, text))
    if settings.walk:
        sys.stdout.flush()
        console.print()
        walk = made.trace.walk()
        if sys.stdin.isatty() and sys.stdout.isatty():
            walk.interactive()
        else:
            print(walk)
    say(console, _seen(made.trace), written[::-1], "tutorials/10_reading_a_trace.py")
    sys.stdout.flush()


def _seen(trace: Trace) -> str:
    """How ∂L/∂s compares between the first layer and the last, as the diagnosis counts layers."""
    rms = []
    for row in (trace.layers[-1], trace.layers[0]):
        statistics = row.statistics("dL_ds")
        rms.append(f"{0.0 if statistics is None else statistics.rms:.2g} in {row.name}")
    return f"rms ∂L/∂s is {' and '.join(rms)}."


def _check_page(path: Path) -> None:
    if path.is_dir():
        raise SettingsError(f"--html: {path} is a folder; name a file")
    try:
        check_folder(path.parent)
    except SettingsError:
        raise SettingsError(f"--html: {path} can't be written; name another place") from None


def _write_figure(folder: Path, figure: Figure) -> list[Path]:
    png = write_whole(
        folder / "figure.png", lambda path: figure.savefig(path, format="png", dpi=130)
    )
    figure.set_layout_engine("none")  # it stays as laid out; each layout takes most of a second
    svg = write_whole(
        folder / "figure.svg",
        lambda path: figure.savefig(path, format="svg", metadata={"Date": None}),
    )
    return [png, svg]
