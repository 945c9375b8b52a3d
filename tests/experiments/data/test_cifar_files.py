"""CIFAR-10's binary files: the numbers in them, where they are looked for, and what is wrong."""

import os
from pathlib import Path

import numpy as np
import pytest

from experiments.data import DataError, cifar10, load

RECORD = 1 + 3 * 32 * 32


def records(n, seed):
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 256, (n, RECORD), dtype=np.uint8)
    made[:, 0] = np.arange(n) % 10
    return made


TRAIN, MORE, TEST = records(12, 0), records(5, 1), records(7, 2)


def fill(folder, **files):
    """The tiny files; `files` gives other records or bytes, None to leave one out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ({"data_batch_1": TRAIN, "test_batch": TEST} | files).items():
        if content is not None:
            data = content if isinstance(content, bytes) else content.tobytes()
            (folder / f"{name}.bin").write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("GRADTRACE_DATA", raising=False)


def one_line(call):
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def expected(pixels):
    return pixels[:, 1:].astype(np.float64) / 127.5 - 1


def test_pixels_and_labels(tmp_path):
    data = cifar10(fill(tmp_path))
    assert data.x_train.dtype == np.float32 and data.x_train.shape == (12, 3072)
    np.testing.assert_allclose(data.x_train, expected(TRAIN), rtol=0, atol=1e-6)
    np.testing.assert_allclose(data.x_test, expected(TEST), rtol=0, atol=1e-6)
    assert data.x_train.min() == -1 and data.x_train.max() == 1
    assert data.y_train.tolist() == [*range(10), 0, 1] and data.y_test.tolist() == [*range(7)]
    assert data.n_classes == 10


def test_the_first_so_many(tmp_path):
    data = load("cifar10", data_dir=fill(tmp_path), n_train=4, n_test=2)
    np.testing.assert_allclose(data.x_train, expected(TRAIN[:4]), rtol=0, atol=1e-6)
    assert len(data.x_test) == 2


def test_more_batches_follow_the_first(tmp_path):
    fill(tmp_path, data_batch_2=MORE, data_batch_4=MORE)  # 3 is missing, so 4 is not read
    assert cifar10(tmp_path).y_train.tolist() == [*range(10), 0, 1, *range(5)]
    assert cifar10(tmp_path, n_train=14).y_train.tolist() == [*range(10), 0, 1, 0, 1]
    # Only as much as is needed: the second file is not even looked at.
    (tmp_path / "data_batch_2.bin").write_bytes(b"damaged")
    assert len(cifar10(tmp_path, n_train=12).x_train) == 12


@pytest.mark.parametrize("below", ["", "cifar10", "cifar-10-batches-bin"])
def test_folders(tmp_path, monkeypatch, below):
    fill(tmp_path / below, test_batch=None, test_batch_first_1000=TEST)
    assert len(cifar10(str(tmp_path)).x_test) == 7
    monkeypatch.setenv("GRADTRACE_DATA", str(tmp_path))
    assert len(load("cifar10").x_test) == 7


def test_the_whole_test_file_is_preferred_and_the_argument_comes_first(tmp_path, monkeypatch):
    fill(tmp_path, test_batch_first_1000=MORE)
    monkeypatch.setenv("GRADTRACE_DATA", str(tmp_path / "absent"))
    assert len(cifar10(tmp_path).x_test) == 7


def test_no_folder_is_named():
    message = one_line(cifar10)
    assert "GRADTRACE_DATA" in message and "--data-dir" in message and "data_batch_1" in message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data_batch_1": None}, "lacks data_batch_1.bin;"),
        ({"test_batch": None}, "lacks test_batch.bin or test_batch_first_1000.bin;"),
        ({"data_batch_1": None, "test_batch": None}, "data_batch_1.bin and test_batch.bin or"),
        ({"data_batch_1": TRAIN.tobytes()[:-1]}, "data_batch_1.bin has 36875 bytes"),
        ({"test_batch": b""}, "test_batch.bin has 0 bytes"),
        ({"test_batch": np.full((3, RECORD), 10, np.uint8)}, "picture 0 has 10"),
    ],
)
def test_files_that_are_missing_or_damaged(tmp_path, files, said):
    message = one_line(lambda: cifar10(fill(tmp_path, **files)))
    assert said in message and str(tmp_path) in message


def test_folders_that_are_none(tmp_path):
    assert "absent" in one_line(lambda: cifar10(tmp_path / "absent"))
    (tmp_path / "file").write_text("")
    assert "can't be read as a folder" in one_line(lambda: cifar10(tmp_path / "file"))
    fill(tmp_path / "odd", data_batch_1=None)
    (tmp_path / "odd" / "data_batch_1.bin").mkdir()
    assert "not a regular file" in one_line(lambda: cifar10(tmp_path / "odd"))


def test_more_than_there_are(tmp_path):
    fill(tmp_path)
    message = one_line(lambda: cifar10(tmp_path, n_train=13))
    assert "hold 12 pictures" in message and "n_train asks for 13" in message
    assert "put the other training files" in message
    message = one_line(lambda: cifar10(tmp_path, n_test=8))
    assert "hold 7 pictures, n_test asks for 8" in message and "training files" not in message
    with pytest.raises(ValueError, match="n_train"):
        cifar10(tmp_path, n_train=0)


REAL = os.environ.get("GRADTRACE_DATA")  # before the fixture above takes it away


@pytest.mark.skipif(
    not REAL or not Path(REAL, "cifar10").is_dir(),
    reason="GRADTRACE_DATA names no folder with CIFAR-10",
)
def test_real_cifar10():
    data = cifar10(REAL, n_train=10_000, n_test=1000)
    assert data.x_train.mean() == pytest.approx(-0.0507, abs=0.0001)
    assert np.square(data.x_train, dtype=np.float64).mean() == pytest.approx(0.2576, abs=0.001)
    assert np.bincount(data.y_train).tolist() == [
        *(1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981)
    ]
