"""`gradtrace activation NAME`: the card of a built-in activation or of one in a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from engine import ActivationWarning, find_activation
from experiments.cards.activation import Settings, card
from experiments.cli.ending import say
from experiments.cli.files import drawn, write_whole
from experiments.cli.flags import FlagError, read_flags
from experiments.figures.activation_card import figure, tables
from experiments.lab.activations import at_work, file_name
from experiments.lab.progress import Shown
from experiments.lab.results import check_folder

USAGE = "gradtrace activation NAME|FILE.py:NAME [--flags]"
_ABOUT = (
    "The card of an activation: its range, kinks and saturation, its gains, its fixed points, and "
    "the gradient through thirty layers, predicted and measured. NAME is a built-in activation, "
    "tanh for example; FILE.py:NAME is one that FILE.py defines with @activation."
)


def activation_command(args: Sequence[str], console: Console) -> None:
    """Print the card, and write its picture to results/activation/NAME.png.

    Characters of NAME that can't be in a file's name are replaced.

    Raises: FlagError, SettingsError.
    """
    if args and args[0] in ("-h", "--help"):
        read_flags(Settings, ["--help"], "gradtrace activation NAME|FILE.py:NAME", _ABOUT)
        return
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
    path = write_whole(folder / f"{file_name(f.name)}.png", picture)
    gain = made.gains["backward"]
    said = "has no gain" if gain is None else f"keeps the gradient level with a gain of {gain:.4g}"
    say(console, f"{f.name} {said}.", [path], "tutorials/09_your_own_activation.py")
    sys.stdout.flush()
