"""MNIST from folders, from the environment's folder and from (pretended) mirrors."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from experiments.data import DataError, load, mnist, mnist_files

N_IMAGES = {"train": 7, "t10k": 4}


def packed_idx(array):
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


def tiny_arrays():
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in N_IMAGES.items():
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28))
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(n) % 10
    return arrays


def fill_folder(folder, zipped=(), **replaced):
    """The four tiny files; `replaced` gives other arrays, None to leave a file out."""
    folder.mkdir(exist_ok=True)
    names = {name.replace("-", "_"): name for name in mnist_files.FILES}
    arrays = tiny_arrays() | {names[key]: array for key, array in replaced.items()}
    for name, array in arrays.items():
        if array is None:
            continue
        content = packed_idx(array)
        if name in zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def assert_is_tiny(data):
    arrays = tiny_arrays()
    for part, x, y in (
        ("train", data.x_train, data.y_train),
        ("t10k", data.x_test, data.y_test),
    ):
        pixels = arrays[f"{part}-images-idx3-ubyte"]
        assert x.dtype == np.float32 and x.shape == (N_IMAGES[part], 784)
        assert np.allclose(x.reshape(-1, 28, 28), pixels / 255, rtol=1e-6, atol=0)
        assert y.dtype == np.int64
        assert np.array_equal(y, arrays[f"{part}-labels-idx1-ubyte"])


def one_line(call):
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture(autouse=True)
def no_network_and_no_folder(monkeypatch, tmp_path):
    """No test here may reach a real mirror, cache or folder."""

    class Refusing:
        def __init__(self, **_kwargs):
            pass

        def __call__(self, url, _file, _pooch):
            raise requests.exceptions.ConnectionError("Max retries exceeded\nwith url: ...")

    monkeypatch.delenv("GRADTRACE_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(pooch, "HTTPDownloader", Refusing)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _seconds: None)


@pytest.mark.parametrize("zipped", [(), tuple(mnist_files.FILES), ("t10k-images-idx3-ubyte",)])
def test_folder_with_plain_and_gzip_files(tmp_path, zipped):
    assert_is_tiny(mnist(fill_folder(tmp_path / "digits", zipped)))


def test_subfolder_and_string_path(tmp_path):
    fill_folder(tmp_path / "mnist")
    assert_is_tiny(mnist(str(tmp_path)))


def test_folder_of_the_environment_variable(tmp_path, monkeypatch):
    fill_folder(tmp_path / "mnist")
    monkeypatch.setenv("GRADTRACE_DATA", str(tmp_path))
    assert_is_tiny(load("mnist"))


def test_argument_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADTRACE_DATA", str(tmp_path / "absent"))
    assert_is_tiny(load("mnist", data_dir=fill_folder(tmp_path / "digits")))


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fill_folder(tmp_path / "digits")
    assert_is_tiny(mnist("~/digits"))


@pytest.mark.parametrize("below", ["", "mnist"])
def test_missing_files_are_named(tmp_path, below):
    fill_folder(tmp_path / below, t10k_images_idx3_ubyte=None, train_labels_idx1_ubyte=None)
    message = one_line(lambda: mnist(tmp_path))
    assert f"{tmp_path / below} lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte" in message
    assert "t10k-labels" not in message
    assert "GRADTRACE_DATA" in message and "--data shapeset" in message


def test_folder_that_is_not_there_is_not_replaced_by_a_download(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADTRACE_DATA", str(tmp_path / "absent"))
    message = one_line(mnist)
    assert "absent can't be read as a folder" in message and "No such file" in message


def test_numbers_of_examples(tmp_path):
    folder = fill_folder(tmp_path / "digits")
    data = load("mnist", data_dir=folder, n_train=3, n_test=4)
    everything = mnist(folder)
    assert data.x_train.shape == (3, 784) and data.x_test.shape == (4, 784)
    assert np.array_equal(data.x_train, everything.x_train[:3])
    assert np.array_equal(data.y_train, [0, 1, 2])
    assert "holds 7 images, n_train asks for 8" in one_line(lambda: mnist(folder, n_train=8))
    assert "holds 4 images, n_test asks for 5" in one_line(lambda: mnist(folder, n_test=5))
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="n_test must be a whole number of at least 1"):
            mnist(folder, n_test=bad)


@pytest.mark.parametrize(
    ("file", "array", "words"),
    [
        ("train_images_idx3_ubyte", np.zeros((7, 27, 28)), "these have (7, 27, 28)"),
        ("train_images_idx3_ubyte", np.zeros(7), "these have (7,)"),
        ("t10k_images_idx3_ubyte", np.zeros((0, 28, 28)), "these have (0, 28, 28)"),
        ("train_labels_idx1_ubyte", np.zeros(6), "shape (7,), these have (6,)"),
        ("t10k_labels_idx1_ubyte", np.zeros((4, 1)), "these have (4, 1)"),
        ("t10k_labels_idx1_ubyte", np.array([0, 10, 2, 3]), "the largest is 10"),
    ],
)
def test_wrong_contents_are_named(tmp_path, file, array, words):
    folder = fill_folder(tmp_path / "digits", **{file: array})
    message = one_line(lambda: mnist(folder))
    assert words in message and str(folder / file.replace("_", "-")) in message


def test_no_network_gives_one_line_and_the_ways_out(tmp_path, capsys):
    message = one_line(lambda: load("mnist"))
    assert "the download of train-images-idx3-ubyte.gz" in message
    assert "ossci-datasets.s3.amazonaws.com: ConnectionError" in message
    assert "storage.googleapis.com: ConnectionError" in message
    assert "--data-dir" in message and "GRADTRACE_DATA" in message
    assert "--data shapeset" in message
    assert not list((tmp_path / "cache").rglob("*ubyte*"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "downloading MNIST" in captured.err


class Mirrors:
    """Stands in for the network: answers with the tiny files, or with what `answer` makes."""

    def __init__(self, monkeypatch, answer=None):
        self.urls = []
        self.answer = answer
        self.files = {
            f"{name}.gz": gzip.compress(packed_idx(array), mtime=0)
            for name, array in tiny_arrays().items()
        }
        official = {
            name: hashlib.md5(self.files[f"{name}.gz"]).hexdigest() for name in mnist_files.FILES
        }
        monkeypatch.setattr(mnist_files, "FILES", official)
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_kwargs: self.send)

    def send(self, url, file, _pooch):
        self.urls.append(url)
        content = self.files[url.rsplit("/", 1)[1]]
        if self.answer is not None:
            content = self.answer(url, content)
        Path(file).write_bytes(content)


def test_downloads_once_and_then_reads_the_cache(monkeypatch, tmp_path, capsys):
    mirrors = Mirrors(monkeypatch)
    assert_is_tiny(mnist())
    assert len(mirrors.urls) == 4
    assert all(url.startswith("https://ossci-datasets") for url in mirrors.urls)
    assert (tmp_path / "cache" / "gradtrace" / "train-images-idx3-ubyte.gz").is_file()
    capsys.readouterr()
    assert_is_tiny(mnist())
    assert len(mirrors.urls) == 4
    assert capsys.readouterr() == ("", "")


def test_damaged_file_in_the_cache_is_fetched_again(monkeypatch, tmp_path):
    mirrors = Mirrors(monkeypatch)
    mnist()
    (tmp_path / "cache" / "gradtrace" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"half")
    assert_is_tiny(mnist())
    assert len(mirrors.urls) == 5 and mirrors.urls[-1].endswith("t10k-labels-idx1-ubyte.gz")


def test_second_mirror_stands_in_for_the_first(monkeypatch):
    def first_is_down(url, content):
        if "ossci" in url:
            response = requests.Response()
            response.status_code = 503
            raise requests.exceptions.HTTPError("503 Server Error", response=response)
        return content

    mirrors = Mirrors(monkeypatch, first_is_down)
    assert_is_tiny(mnist())
    assert sum("googleapis" in url for url in mirrors.urls) == 4


def test_wrong_checksum_is_refused(monkeypatch, tmp_path):
    Mirrors(monkeypatch, lambda _url, content: content + b"\0")
    message = one_line(mnist)
    assert message.count("not the official one, by its MD5") == 2
    assert not list((tmp_path / "cache").rglob("*ubyte*"))


def test_http_status_is_told(monkeypatch):
    def forbid(_url, _content):
        response = requests.Response()
        response.status_code = 403
        raise requests.exceptions.HTTPError("403 Client Error", response=response)

    Mirrors(monkeypatch, forbid)
    assert "HTTP status 403" in one_line(mnist)


def test_cache_folder_that_cannot_be_made(monkeypatch, tmp_path):
    Mirrors(monkeypatch)
    (tmp_path / "cache").write_text("a file where the folder should be")
    message = one_line(mnist)
    assert str(tmp_path / "cache") in message and "--data-dir" in message


def test_poochs_own_messages_are_left_as_they_were(monkeypatch):
    logger = pooch.get_logger()
    level = logger.level
    Mirrors(monkeypatch)
    mnist()
    assert logger.level == level


def test_official_checksums():
    assert set(mnist_files.FILES.values()) == {
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    }


REAL = os.environ.get("GRADTRACE_DATA")  # before the fixture above takes it away


@pytest.mark.skipif(not REAL, reason="GRADTRACE_DATA names no folder with MNIST")
def test_real_mnist():
    data = mnist(REAL)
    assert data.x_train.shape == (60_000, 784) and data.x_test.shape == (10_000, 784)
    for x in (data.x_train, data.x_test):
        assert x.min() == 0 and x.max() == 1
    second_moment = np.square(data.x_train, dtype=np.float64).mean()
    assert second_moment == pytest.approx(0.112, abs=0.002)
    assert np.bincount(data.y_train)[:3].tolist() == [5923, 6742, 5958]
    assert np.bincount(data.y_test)[:3].tolist() == [980, 1135, 1032]
