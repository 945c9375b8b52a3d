"""`gradtrace trace`: one backward pass, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.cli.ending import say
from experiments.cli.files import check_file, drawn, write_whole
from experiments.cli.flags import read_flags
from experiments.figures.traced import layers_table
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
        check_file(settings.html, "--html")
    made = traced(settings)
    about = f"{made.net}; {made.data}, loss {made.loss:.4g}"
    with made.reading():
        diagnosis = made.trace.diagnose(lr=settings.lr)
        table = layers_table(made.trace)
        walk = made.trace.walk() if settings.walk else None
        figure = made.trace.plot(made.theory)
        pictures = _drawn(folder, figure)
        contents: dict[Path, str | bytes] = {**pictures}
        if settings.html is not None:
            svg = pictures[folder / "figure.svg"]
            picture = Picture.of("distributions and profile by layer", svg)
            contents[settings.html] = page(made.trace, diagnosis, about, picture, made.theory)
    console.print()
    console.print(about, style="bold", highlight=False, markup=False)
    for finding in made.beware:
        console.print(f"beware: {finding}", highlight=False, markup=False)
    console.print()
    console.print(table)
    console.print()
    console.print(str(diagnosis), highlight=False, markup=False)
    written = [write_whole(path, content) for path, content in contents.items()]
    if walk is not None:
        sys.stdout.flush()
        console.print()
        if sys.stdin.isatty() and sys.stdout.isatty():
            walk.interactive()
        else:
            print(walk)
    seen, helps = diagnosis.summary, {}
    if diagnosis:
        seen, helps = (
            f"{diagnosis[0].kind}: {diagnosis[0].evidence}",
            {"Helps": diagnosis[0].remedy},
        )
    say(console, seen, written[::-1], "tutorials/10_reading_a_trace.py", **helps)
    sys.stdout.flush()


def _drawn(folder: Path, figure: Figure) -> dict[Path, bytes]:
    png = drawn(figure, "png", dpi=130)
    figure.set_layout_engine("none")  # it stays as laid out; each layout takes most of a second
    svg = drawn(figure, "svg", metadata={"Date": None})
    return {folder / "figure.png": png, folder / "figure.svg": svg}
