"""The README's picture: what it shows, and that the file in the repository is of these images."""

import io

import numpy as np

from experiments.data import SHAPESET_CLASSES, picture, shapeset


def test_figure_shows_the_first_images_under_their_names():
    figure = picture.shapeset_figure()
    x, y = shapeset(20, seed=0)
    assert len(figure.axes) == 20
    for axes, image, label in zip(figure.axes, x, y, strict=True):
        assert axes.get_title().replace(" +\n", "+") == SHAPESET_CLASSES[label]
        assert np.array_equal(axes.images[0].get_array(), image.reshape(32, 32))


def test_file_is_written_where_asked(tmp_path, monkeypatch, capsys):
    target = tmp_path / "shapes.png"
    monkeypatch.setattr(picture, "PATH", target)
    picture.main()
    assert capsys.readouterr().out.strip() == str(target)
    assert 5_000 < target.stat().st_size < 150_000


def test_figure_can_be_drawn_without_a_display():
    picture.shapeset_figure(seed=3).savefig(io.BytesIO(), format="png", dpi=20)
