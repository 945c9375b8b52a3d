"""`gradtrace activation NAME`: the card of a built-in activation or of one in a file."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from engine import ActivationWarning, find_activation
from experiments.cards.activation import Settings, card
from experiments.cli.files import drawn, write_whole
from experiments.cli.flags import FlagError, read_flags
from experiments.figures.activation_card import figure, tables
from experiments.lab.activations import at_work
from experiments.lab.progress import Shown
from experiments.lab.results import check_folder

_NO_FILE_NAME = re.compile(r"[^\w.-]+")
USAGE = "gradtrace activation NAME|FILE.py:NAME [--flags]"


def activation_command(args: Sequence[str], console: Console) -> None:
    """Print the card, and write its picture to results/activation/NAME.png.

    Raises: FlagError, SettingsError.
    """
    if not args or args[0].startswith("-"):
        raise FlagError(f"activation needs a name, or FILE.py:NAME: {USAGE}")
    name, *flags = args
    settings = read_flags(Settings, flags, f"gradtrace activation {name}")
    if settings is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ActivationWarning)  # the card says it
        try:
            f = find_activation(name)
        except ValueError as error:  # ActivationError is one
            raise FlagError(str(error)) from None
    folder = Path("results") / "activation"
    check_folder(folder)
    with at_work(name), Shown() as progress:
        made = card(f, settings, progress)
        shown, picture = tables(made), drawn(figure(made), "png", dpi=130)
    for each in shown:
        console.print()
        console.print(each)
    # A title may hold what a file's name can't.
    path = folder / f"{_NO_FILE_NAME.sub('_', f.name).lstrip('.')[:100]}.png"
    write_whole(path, picture)
    console.print(f"written: {path}", highlight=False, markup=False)
    sys.stdout.flush()
