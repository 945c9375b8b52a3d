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
    places = {name: results / name for name in QUESTIONS}
    # All are read first: a result that can't be read leaves every picture as it was.
    records = {
        name: read_record(folder)
        for name, folder in places.items()
        if (folder / "result.json").exists()
    }
    taken = []
    for name, record in records.items():
        made = {_picture(name, f): places[name] / f"{f}.png" for f in record.figures}
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
