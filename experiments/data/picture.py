"""The picture of Shapeset samples in the README: `python -m experiments.data.picture`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from engine.writing import write_file
from experiments.data.shape_kernels import SIZE
from experiments.data.shapes import SHAPESET_CLASSES, shapeset

PATH = Path(__file__).with_name("shapeset.png")
ROWS, COLUMNS = 4, 5


def shapeset_figure(seed: int = 0) -> Figure:
    """The first 20 images of a seed, each under its class's name."""
    x, y = shapeset(ROWS * COLUMNS, seed=seed)
    figure = Figure(figsize=(8.5, 7.6), layout="constrained")
    for image, label, axes in zip(x, y, figure.subplots(ROWS, COLUMNS).flat, strict=True):
        axes.imshow(image.reshape(SIZE, SIZE), cmap="gray", vmin=-1, vmax=1)
        # The longest name is wider than its image.
        axes.set_title(SHAPESET_CLASSES[label].replace("+", " +\n"), fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


def main() -> None:
    """Write the picture beside this file."""
    # Without the version of matplotlib in it, the file changes only when the images do.
    figure = shapeset_figure()
    write_file(
        PATH,
        lambda stream: figure.savefig(stream, format="png", dpi=90, metadata={"Software": None}),
    )
    print(PATH)


if __name__ == "__main__":
    main()
