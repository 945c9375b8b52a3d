"""`shapeset`: the images of Shapeset-3×2, made when asked for.

Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
networks" (2010), section 2.1; the rules follow a description of the authors' own generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.data.dataset import DataSet, Images, Labels, checked_count, checked_seed
from experiments.data.shape_kernels import SIZE, draw_images

SHAPESET_CLASSES = (
    "triangle",
    "parallelogram",
    "ellipse",
    "triangle+triangle",
    "triangle+parallelogram",
    "triangle+ellipse",
    "parallelogram+parallelogram",
    "parallelogram+ellipse",
    "ellipse+ellipse",
)

TEST_START = 2**40
"""Index of the first test image; training images are those below it."""

N_TRAIN, N_TEST = 50_000, 10_000
_BLOCK = 1000


def shapeset(n: int, *, seed: int, start: int = 0) -> tuple[Images, Labels]:
    """Images start … start + n − 1 of a seed: x float32 (n, 1024) in [−1, 1], y int64 (n,).

    An image is a function of (seed, index) alone, so it is the same in whatever batch it is
    asked for, and there are as many as 2⁶³. y numbers `SHAPESET_CLASSES`.

    How an image is made:

    - 32×32 pixels, one object or two, equally likely; each a triangle, a parallelogram or an
      ellipse (a 20-gon), equally likely.
    - A regular n-gon on a circle of radius ½ is turned by an angle uniform in [0, 2π/n). Two
      numbers are drawn from U[.2, .8]·32: the larger scales x, the smaller y. The polygon is
      turned until its base, the edge from corner 0 to corner 1, is horizontal, then by 2πk/255
      with k uniform on 0 … 254.
    - It is moved to a place uniform among those that leave a margin of 1 pixel free. A pixel
      belongs to it when the pixel's centre does. No smoothing.
    - One range of grey is [0, .45], the other [.55, 1]; a fair coin says which is the
      background's, and each object has a level of its own from the other. The second object
      is painted over the first. x = 2·grey − 1.
    - Overlap, in our reading of "approximate projection test, threshold .5, at most 50
      rejections": two objects are projected on the normal of every edge of either; on each axis
      the overlap of the two intervals is taken as a share of the shorter; where the smallest
      share over all axes exceeds .5, the second object's place is rejected and drawn again,
      its shape kept. After 50 rejections the next place stays, whatever its overlap. That
      happens to 5 % of pairs; in .6 % of pairs the first object is hidden altogether.

    Grey levels are continuous. Frequencies: 1/6 for a single shape, 1/18 for a pair of one type,
    1/9 for a mixed pair, so a constant guess errs 5/6 = 83.3 %. E[x²] = .999/2.7 = .37 whatever
    the shapes, since both ranges, [−1, −.1] and [.1, 1], have that second moment.

    Raises ValueError when n is not a whole number ≥ 1, start not one ≥ 0, seed not one in
    0 … 2⁶⁴ − 1, or start + n exceeds 2⁶³.
    """
    n = checked_count("n", n)
    start = checked_count("start", start, least=0)
    seed = checked_seed(seed)
    if start + n > 2**63:
        raise ValueError(f"image indices end at 2**63, got start {start} and n {n}")
    x = np.empty((n, SIZE * SIZE), np.float32)
    y = np.empty(n, np.int64)
    draw_images(x, y, np.uint64(seed), np.uint64(start))
    return x, y


def shapeset_stream(batch: int, *, seed: int, start: int = 0) -> Iterator[tuple[Images, Labels]]:
    """Batches of ever new images: (x, y) of shapes (batch, 1024) and (batch,), without end.

    The images are start, start + 1, … of the seed, so none comes twice. Raises ValueError as
    `shapeset` does.
    """
    batch = checked_count("batch", batch)
    start = checked_count("start", start, least=0)
    return _endless(batch, checked_seed(seed), start)


def _endless(batch: int, seed: int, start: int) -> Iterator[tuple[Images, Labels]]:
    block = batch * max(1, _BLOCK // batch)
    while True:
        x, y = shapeset(block, seed=seed, start=start)
        for i in range(0, block, batch):
            yield x[i : i + batch], y[i : i + batch]
        start += block


def shapeset_split(n_train: int | None, n_test: int | None, seed: int) -> DataSet:
    """Training images 0 … n_train − 1 and test images 2⁴⁰ … 2⁴⁰ + n_test − 1 of one seed.

    None means 50,000 training and 10,000 test images. Raises ValueError as `shapeset` does.
    """
    n_train = N_TRAIN if n_train is None else checked_count("n_train", n_train)
    n_test = N_TEST if n_test is None else checked_count("n_test", n_test)
    if n_train > TEST_START:
        raise ValueError(f"n_train must be at most 2**40, got {n_train}")
    x_train, y_train = shapeset(n_train, seed=seed)
    x_test, y_test = shapeset(n_test, seed=seed, start=TEST_START)
    return DataSet(
        name="shapeset",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        n_classes=len(SHAPESET_CLASSES),
        description=f"Shapeset-3×2, 32×32 pixels in [−1, 1], seed {seed}",
    )
