"""Saved parameters: the same bits back, a file that is whole or absent, and files refused."""

import gc
import io
import warnings
import zipfile

import numpy as np
import pytest

from engine import read_arrays, write_arrays
from nn import MLP

STRANGE = [0.1, -0.0, 1e-45, np.finfo(np.float32).max, np.inf]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def net(rng=0, dtype=np.float32):
    return MLP([2, 5, 3], rng=rng, dtype=dtype, bias_init="standard")


def bits(state):
    return {name: (value.dtype, value.shape, value.tobytes()) for name, value in state.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_come_back(tmp_path, dtype):
    first, second = net(0, dtype), net(1, dtype)
    first.layers[0].b.assign(np.array(STRANGE, dtype))
    first.save(tmp_path / "net.npz")
    second.load(tmp_path / "net.npz")
    assert bits(first.state_dict()) == bits(second.state_dict())
    assert np.signbit(second.layers[0].b.numpy()[1])


def test_the_file_has_exactly_the_name_given(tmp_path):
    for name in ("net", "net.npz", "net.weights", "a b.npz"):
        net().save(str(tmp_path / name))
    assert names(tmp_path) == ["a b.npz", "net", "net.npz", "net.weights"]
    net().load(tmp_path / "net")


def test_the_file_holds_the_parameters_alone_and_no_pickles(tmp_path):
    net().save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert {name: file[name].shape for name in file.files} == {
            "layer 1.W": (2, 5), "layer 1.b": (5,), "output.W": (5, 3), "output.b": (3,),
        }  # fmt: skip


def test_the_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    net().save(tmp_path / "net.npz")
    assert (tmp_path / "net.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "net.npz"
    net(0).save(path)
    before = path.read_bytes()

    def fails(member, *args, **kwargs):
        member.write(b"half a file")
        raise error

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(type(error)):
        net(1).save(path)
    with pytest.raises(type(error)):
        net(1).save(tmp_path / "new.npz")
    assert path.read_bytes() == before
    assert names(tmp_path) == ["net.npz"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    path, seen, write = tmp_path / "net.npz", [], np.lib.format.write_array

    def watched(member, *args, **kwargs):
        write(member, *args, **kwargs)
        seen.append(path.exists())

    monkeypatch.setattr(np.lib.format, "write_array", watched)
    net().save(path)
    assert seen == [False] * 4
    assert path.exists()


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        net().save(tmp_path / "nowhere" / "net.npz")


def with_pickles(path):
    state = net().state_dict()
    state["layer 1.b"] = np.array([{}] * 5, dtype=object)
    np.savez(path, **state)


def truncated(path):
    net().save(path)
    path.write_bytes(path.read_bytes()[:-40])


def damaged(path):
    net().save(path)
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)


def single(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def foreign_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("layer 1.W", "not an array")


def half_header(path):
    content = io.BytesIO()
    np.save(content, np.ones(3))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("layer 1.W.npy", content.getvalue()[:20])


def folder(path):
    path.mkdir()


def refusal(ours, path):
    """What `load` raises, its message, and the warnings about files that it left open."""
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always")
        try:
            ours.load(path)
        except Exception as error:
            # The error itself is not kept: its traceback would hold the open file.
            kind, message = type(error), str(error)
        gc.collect()
    return kind, message, left_open


MALFORMED = {
    "pickles": with_pickles,
    "truncated": truncated,
    "damaged": damaged,
    "zip": foreign_zip,
    "half a header": half_header,
    "folder": folder,
    "text": lambda path: path.write_text("not an archive\nat all"),
    "empty": lambda path: path.write_bytes(b""),
    "two letters": lambda path: path.write_bytes(b"PK\x03\x04"),
}


@pytest.mark.parametrize(
    "make",
    [*MALFORMED.values(), single],
    ids=[*MALFORMED, "a single array"],
)
def test_what_can_not_be_read_is_one_line_that_names_the_file(tmp_path, make):
    path = tmp_path / "net.npz"
    make(path)
    ours = net()
    before = bits(ours.state_dict())
    kind, message, _ = refusal(ours, path)
    assert kind is ValueError
    assert "\n" not in message
    assert str(path) in message or "doesn't fit the net" in message
    assert bits(ours.state_dict()) == before


@pytest.mark.parametrize(
    "name",
    list(MALFORMED),
)
def test_a_file_that_was_refused_is_closed(tmp_path, name):
    path = tmp_path / "net.npz"
    MALFORMED[name](path)
    assert refusal(net(), path)[2] == []


@pytest.mark.parametrize(("field", "offset"), [("flags", 8), ("compression", 10)])
def test_a_wrong_byte_in_the_list_of_contents(tmp_path, field, offset):
    path = tmp_path / "net.npz"
    net().save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] ^= 0xFF
    path.write_bytes(content)
    assert refusal(net(), path)[0] is ValueError


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        net().load(tmp_path / "net.npz")
    assert str(caught.value) == f"{tmp_path / 'net.npz'}: there is no such file"


def test_a_file_of_another_net(tmp_path):
    MLP([2, 4, 3], rng=0).save(tmp_path / "net.npz")
    ours = net()
    before = bits(ours.state_dict())
    with pytest.raises(ValueError, match=r"layer 1\.W has shape \(2, 4\), not \(2, 5\)"):
        ours.load(tmp_path / "net.npz")
    assert bits(ours.state_dict()) == before


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; make it first") as told:
        net().save(tmp_path / "nowhere" / "net.npz")
    assert str(told.value).startswith(str(tmp_path / "nowhere" / "net.npz"))


def test_a_file_of_another_kind_is_no_reason_to_load_pickles(tmp_path):
    (tmp_path / "net.npz").write_text("hello")
    with pytest.raises(ValueError, match="not a zip file") as told:
        net().load(tmp_path / "net.npz")
    assert "pickle" not in str(told.value)


A = np.arange(3.0)
# np.savez's own keywords, names of other files, of members, and what zipfile could change.
NAMES = [
    *("file", "allow_pickle", "args", "kwds", "a", "a.npy", "a.npy.npy", ".npy", ""),
    *("a/b", "../../x", "/absolute", "a//b", "folder/", "a b", " ", "\n", "\x01", "\x80"),
    *("\u00e9", "e\u0301", "日本", "layer 1.W", "x" * 65_531),
]


def test_arrays_come_back_under_any_name(tmp_path):
    arrays = {name: A + i for i, name in enumerate(NAMES)}
    write_arrays(tmp_path / "x.npz", arrays)
    again = read_arrays(tmp_path / "x.npz")
    assert list(again) == NAMES
    assert bits(again) == bits(arrays)
    assert names(tmp_path) == ["x.npz"]


def test_a_layer_with_such_parameters_keeps_its_weights(tmp_path):
    ours = net()
    ours.layers[0].rename("file")
    state = {**ours.state_dict(), "allow_pickle": A}
    write_arrays(tmp_path / "x.npz", state)
    assert bits(read_arrays(tmp_path / "x.npz")) == bits(state)


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "x" * 65_532, 3, None, b"a", ("a",)])
def test_a_name_that_no_file_can_hold_is_refused_before_anything_is_written(tmp_path, name):
    write_arrays(tmp_path / "x.npz", {"a": A})
    before = (tmp_path / "x.npz").read_bytes()
    for path in (tmp_path / "x.npz", tmp_path / "new.npz"):
        with pytest.raises(ValueError, match="an array can't be named") as told:
            write_arrays(path, {"a": A + 1, name: A})
        assert str(path) in str(told.value)
        assert len(str(told.value)) < 400
    assert names(tmp_path) == ["x.npz"]
    assert (tmp_path / "x.npz").read_bytes() == before


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.0), np.array(3, ">i2"), np.empty((0, 3)), np.empty((2, 0), np.float32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(10)[::3], A.astype(">f8"),
        np.zeros(2, [("a", "<f4"), ("b", ">i2", (2,))]), np.array(["ab", "ü"]), np.array([b"a"]),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), np.array([1j, np.nan]),
        np.array(["2020-01-01"], "M8[D]"), np.array([True]), np.array([0.5], np.float16),
        np.zeros(2, "V5"), np.zeros(2, [(f"field {i}", "f4") for i in range(300)]),
    ],
    ids=lambda array: f"{str(array.dtype)[:30]}{array.shape}",
)  # fmt: skip
def test_arrays_of_every_kind_come_back(tmp_path, array):
    write_arrays(tmp_path / "x.npz", {"a": array})
    (again,) = read_arrays(tmp_path / "x.npz").values()
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    if array.dtype.kind != "V":
        assert again.tobytes() == array.tobytes()
    assert again.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}]),
        np.zeros(1, [("a", "O")]),
        np.array(["a"], np.dtypes.StringDType()),
        np.zeros(1, np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]})),
        np.zeros(1, [(f"field {i}", "f4") for i in range(2000)]),  # a header NumPy won't read
    ],
    ids=["objects", "an object's field", "StringDType", "overlapping", "long"],
)
def test_what_the_format_can_not_keep_is_refused_before_anything_is_written(tmp_path, array):
    with pytest.raises(TypeError, match=r"x\.npz: 'a b' holds") as told:
        write_arrays(tmp_path / "x.npz", {"a": A, "a b": array})
    assert len(str(told.value)) < 400
    assert names(tmp_path) == []


def test_files_that_savez_wrote_are_read(tmp_path):
    arrays = {"a": A, "layer 1.W": np.ones((2, 3), np.float32), "0-d": np.array(2)}
    np.savez(tmp_path / "x.npz", **arrays)
    assert bits(read_arrays(tmp_path / "x.npz")) == bits(arrays)
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    assert bits(read_arrays(tmp_path / "x.npz")) == bits(arrays)


def test_numpy_reads_what_we_write(tmp_path):
    write_arrays(tmp_path / "x.npz", {"file": A, "b": A + 1})
    with np.load(tmp_path / "x.npz") as file:
        np.testing.assert_array_equal(file["file"], A)


def test_two_arrays_of_one_name_in_a_file_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(2):
            with file.open("a.npy", "w") as member:
                np.lib.format.write_array(member, A)
    with pytest.raises(ValueError, match="it holds 'a' twice"):
        read_arrays(tmp_path / "x.npz")


def test_a_masked_array_is_refused_since_the_mask_would_be_lost(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(TypeError, match="'a' is a masked array; give its data and its mask"):
        write_arrays(path, {"a": np.ma.masked_array([1.0, 2.0], [True, False])})
    assert not path.exists()
