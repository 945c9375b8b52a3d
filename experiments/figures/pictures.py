"""The pictures of experiments/README.md from results: `python -m experiments.figures.pictures`.

Takes the folder of the results, `results` unless another is named. The figure of a question is
pictures/NAME.png, and its other figures are pictures/NAME-FIGURE.png, both with 256 colours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.lab.records import RecordError, read_record
from experiments.questions import QUESTIONS

PICTURES = Path(__file__).parents[1] / "pictures"


def take_pictures(results: Path, pictures: Path) -> list[Path]:
    """Replace the pictures of every question that has a result in a folder of its own name.

    Returns: the pictures that are new or replaced. Raises: RecordError for a result that can't be
        read.
    """
    taken = []
    for name in QUESTIONS:
        folder = results / name
        if not (folder / "result.json").exists():
            continue
        figures = read_record(folder).figures
        made = {_picture(name, figure): folder / f"{figure}.png" for figure in figures}
        for path in pictures.glob("*.png"):
            if path.stem.partition("-")[0] == name and path.name not in made:
                path.unlink()
        taken += [_reduced(figure, pictures / picture) for picture, figure in made.items()]
    return taken


def _picture(question: str, figure: str) -> str:
    return f"{question}.png" if figure == "figure" else f"{question}-{figure}.png"


def _reduced(figure: Path, picture: Path) -> Path:
    from PIL import Image

    with Image.open(figure) as image:
        colours = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        colours.save(picture, optimize=True)
    return picture


def main(args: Sequence[str]) -> int:
    """Take the pictures from the folder that is named; returns the exit code."""
    results = Path(args[0]) if args else Path("results")
    try:
        taken = take_pictures(results, PICTURES)
    except (RecordError, OSError) as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 2
    print(*taken, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
