"""`save` and `load`: what comes back is what went; anything else is refused in one sentence."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import (
    ACTIVATIONS,
    GraphError,
    Tensor,
    Trace,
    activation,
    cross_entropy,
    dense,
    place,
    trace,
)
from engine.tracing.encoding import Encoder, decode

RNG = np.random.default_rng(0)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def traced(f="tanh", dtype=np.float32):
    x = RNG.normal(size=(6, 4)).astype(dtype)
    sizes = ((4, 5), (5, 5), (5, 3))
    with trace() as t:
        for i, (n, m) in enumerate(sizes):
            W = Tensor(
                RNG.normal(size=(n, m)), requires_grad=True, dtype=dtype, name=f"layer {i + 1}.W"
            )
            b = Tensor(np.zeros(m), requires_grad=True, dtype=dtype, name=f"layer {i + 1}.b")
            with place(f"layer {i + 1}"):
                x = dense(x, W, b if i else None, f)
        rest = engine.clip(engine.transpose(x[1:, [0, 2, 2]]), -1.0, None)
        loss = cross_entropy(x, np.arange(6) % 3) + (rest.sum(axis=0, keepdims=True) ** 2).mean()
        loss.backward()
    return t


def equal(a, b):
    assert a.keys() == b.keys() if isinstance(a, dict) else True
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        for key in a:
            equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            equal(x, y)
    else:
        assert a == b and type(a) is type(b)


@pytest.mark.parametrize("f", ["tanh", "relu", engine.leaky_relu(a=0.3), engine.tanh.derivative])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_trace_is_the_saved_one(tmp_path, f, dtype):
    t = traced(f, dtype)
    t.save(tmp_path / "trace.npz")
    u = Trace.load(tmp_path / "trace.npz")
    assert names_in(tmp_path) == ["trace.npz"]
    assert len(u.nodes) == len(t.nodes) > len(u.layers) == 3
    for a, b in zip(t.nodes, u.nodes, strict=True):
        equal(
            [a.name, a.place, a.inputs, a.output, a.sources, a.parameters, a.dL_dy, a.dL_dx],
            [b.name, b.place, b.inputs, b.output, b.sources, b.parameters, b.dL_dy, b.dL_dx],
        )
    for a, b in zip(t.layers, u.layers, strict=True):
        assert a.name == b.name and a.f.name == b.f.name and a.f.parameters == b.f.parameters
        for name in ("x", "W", "b", "s", "x_next", "dL_dx_next", "dL_ds", "dL_dW", "dL_db"):
            equal(getattr(a, name), getattr(b, name))
        equal(a.df_ds, b.df_ds)
        assert b.x_next is b.node.output
    assert u.layers[1].x is u.layers[0].x_next  # one array in the file
    for show in (
        repr,
        str,
        lambda t: str(t.walk()),
        lambda t: str(t.diagnose(lr=0.1)),
        lambda t: str(t.explain("layer 2", weight=(1, 2))),
        Trace.to_dot,
        Trace.to_mermaid,
    ):
        assert show(t) == show(u)
    assert np.nanmax(t.compare(u).difference) == 0


def test_a_forward_pass_alone_can_be_saved(tmp_path):
    with trace() as t:
        dense(np.ones((2, 3)), Tensor(np.ones((3, 2)), requires_grad=True), f="tanh")
    t.save(tmp_path / "t")
    u = Trace.load(tmp_path / "t")
    assert u[0].dL_dW is None and u[0].b is None
    equal(u[0].s, t[0].s)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.just(...)
        | st.builds(slice, st.none() | st.integers(), st.none() | st.integers(), st.none())
        | st.sampled_from([np.dtype(np.float32), np.dtype(np.int64), np.dtype(bool)])
        | st.sampled_from([np.arange(3), np.array(True), np.zeros((0, 2), np.float32)]),
        lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
        max_leaves=6,
    )
)
def test_every_parameter_comes_back(value):
    encoder = Encoder()
    text = json.dumps(encoder.encode(value))
    equal([decode(json.loads(text), encoder.arrays)], [value])


def test_a_trace_of_statistics_is_refused_by_what_needs_arrays(tmp_path):
    with trace(keep="stats") as t:
        dense(np.ones((2, 3)), Tensor(np.ones((3, 2)), requires_grad=True)).sum().backward()
    for use in (
        lambda: t.save(tmp_path / "t.npz"),
        t.walk,
        lambda: t.explain(0, weight=(0, 0)),
        lambda: t.compare(t),
    ):
        with pytest.raises(GraphError, match="were not kept"):
            use()
    assert names_in(tmp_path) == []
    assert "2×2" in t.to_dot()  # the shapes are enough


def test_what_can_t_be_stored_is_named_and_leaves_no_file(tmp_path):
    t = traced()
    t.nodes[0].parameters["odd"] = object()
    with pytest.raises(TypeError, match=r"dense in layer 1.*object"):
        t.save(tmp_path / "t.npz")
    assert names_in(tmp_path) == []
    t = traced()
    t.nodes[0].output = np.array([object()])
    with pytest.raises(TypeError, match="Python objects"):
        t.save(tmp_path / "t.npz")
    assert names_in(tmp_path) == []


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.npz"
    t = traced()
    t.save(path)
    before = path.read_bytes()

    def full(stream, *args, **options):
        stream.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        t.save(path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["t.npz"]


def own(slope=1.0, title="stored_here"):
    @activation(title=title)
    def stored_here(s, a=0.5):
        return s * engine.sigmoid(s) * slope + s * a

    return stored_here


def test_one_s_own_activation_is_found_by_name_or_asked_for(tmp_path):
    path = tmp_path / "t.npz"
    try:
        t = traced(own()(a=0.25), np.float64)
        t.save(path)
        u = Trace.load(path)
        assert u[0].f.parameters == {"a": 0.25}
        equal(u[1].df_ds, t[1].df_ds)
        equal(u[1].dL_ds, t[1].dL_ds)
        del ACTIVATIONS["stored_here"]
        with pytest.raises(ValueError, match=r"t\.npz.*'stored_here' is not known.*define it"):
            Trace.load(path)
        own(slope=2.0)
        with pytest.raises(ValueError, match=r"'stored_here' is not the one.*values differ"):
            Trace.load(path)
    finally:
        ACTIVATIONS.pop("stored_here", None)


def rewritten(path, change):
    """The file with its description changed."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays["trace"].tobytes())
    change(about, arrays)
    if "trace" in arrays:
        arrays["trace"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(path, **arrays)


DAMAGE = {
    "newer": (lambda a, _: a.update(version=3), "newer gradtrace"),
    "no version": (lambda a, _: a.pop("version"), "not a trace"),
    "odd version": (lambda a, _: a.update(version="1"), "not a trace"),
    "version 0": (lambda a, _: a.update(version=0), "not a trace"),
    "another format": (lambda a, _: a.update(format="weights"), "not a trace"),
    "no description": (lambda _, arrays: arrays.pop("trace"), "not a trace"),
    "no nodes": (lambda a, _: a.pop("nodes"), "damaged"),
    "an array gone": (lambda _, arrays: arrays.pop("a0"), "damaged"),
    "a node without output": (lambda a, _: a["nodes"][0].pop("output"), "damaged"),
    "an output that is none": (lambda a, _: a["nodes"][0].update(output=None), "damaged"),
    "an s that does not fit": (lambda a, _: a["nodes"][0].update(saved={"array": "a1"}), "damaged"),
    "no s": (lambda a, _: a["nodes"][0].update(saved=None), "damaged"),
    "a variable that is none": (
        lambda a, _: a["nodes"][0]["sources"]["list"].__setitem__(1, "W"),
        "damaged",
    ),
    "an activation that is none": (
        lambda a, _: a["nodes"][0].update(activation="tanh"),
        "damaged",
    ),
    "a source to come": (
        lambda a, _: a["nodes"][0]["sources"].update(list=[7, None]),
        "damaged",
    ),
    "lists of other lengths": (
        lambda a, _: a["nodes"][0]["sources"].update(list=[None]),
        "damaged",
    ),
    "a gradient of another shape": (
        lambda _, arrays: arrays.update({k: v[:1] for k, v in arrays.items() if k == "a2"}),
        "damaged",
    ),
    "an unknown kind": (lambda a, _: a["nodes"][0].update(output={"pickle": "x"}), "damaged"),
    "nodes that are none": (lambda a, _: a.update(nodes=[1, 2]), "damaged"),
    "no count of sweeps": (lambda a, _: a["nodes"][0].update(sweeps=0), "damaged"),
    "a name that is none": (lambda a, _: a["nodes"][0].update(name=3), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / "t.npz"
    traced().save(path)
    rewritten(path, lambda about, arrays: None)
    Trace.load(path)
    change, message = DAMAGE[name]
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as caught:
        Trace.load(path)
    assert "t.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_traces(tmp_path):
    path = tmp_path / "t.npz"
    with pytest.raises(FileNotFoundError, match="no such file"):
        Trace.load(path)
    traced().save(path)
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04 nothing", b"text", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"t\.npz"):
            Trace.load(path)
    np.savez(path, W=np.ones(3))
    with pytest.raises(ValueError, match="not a trace"):
        Trace.load(path)
    np.savez(path, trace=np.array([{"a": 1}], dtype=object))  # a pickle
    with pytest.raises(ValueError, match="not a readable"):
        Trace.load(path)


def test_the_file_holds_no_pickle(tmp_path):
    path = tmp_path / "t.npz"
    traced().save(path)
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    assert all(name.endswith(".npy") for name in names)
    with np.load(path, allow_pickle=False) as file:
        assert all(not file[name].dtype.hasobject for name in file.files)


def test_a_file_from_before_kinds_were_stored(tmp_path):
    """The kind of an operation is then that of its name."""
    own = engine.custom_vjp(lambda a: a * 2.0)
    own.vjp(lambda g, y, a: g * 2.0)
    x = Tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    with trace() as t:
        y = engine.tanh.scale(dense(x, Tensor(np.eye(4), requires_grad=True), f="relu"), x)
        own(engine.tanh.derivative(engine.sigmoid(y))).mean().backward()
    t.save(tmp_path / "new.npz")
    arrays = engine.read_arrays(tmp_path / "new.npz")
    about = json.loads(arrays["trace"].tobytes())
    for node in about["nodes"]:
        del node["kind"]
    arrays["trace"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    engine.write_arrays(tmp_path / "old.npz", arrays)
    again = Trace.load(tmp_path / "old.npz")
    assert [node.kind for node in again.nodes] == [node.kind for node in t.nodes]
    assert str(again.walk()) == str(t.walk())
    assert str(again.diagnose()) == str(t.diagnose())
