"""Which function an activation is: copies, pickles, variants, and names that are taken again."""

import copy
import gc
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import engine
import nn
from engine import ACTIVATIONS, Activation, OwnActivation, Tensor, activation, elu, sigmoid, where

ROOT = Path(__file__).parents[2]
S = np.array([-3.1, -0.4, 0.2, 2.7])


@pytest.fixture(autouse=True)
def no_names_left():
    before = dict(ACTIVATIONS)
    yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


def swish_of(beta):
    @activation
    def swish(s):
        return s * sigmoid(beta * s)

    return swish


def test_two_of_one_name_stay_two_in_copies_pickles_and_records():
    narrow, wide = swish_of(0.5), swish_of(5.0)
    net = nn.MLP([4, 8, 3], narrow, rng=1, dtype=np.float64)
    x, y = np.random.default_rng(0).normal(size=(6, 4)), np.arange(6) % 3
    right = net(x).numpy()
    for again in (copy.deepcopy(net), copy.copy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(again(x).numpy(), right)
    recorder = nn.Recorder(net, probe=(x, y))
    recorder.step()
    assert recorder.losses == [nn.cross_entropy(net(x), y).item()]
    with engine.trace() as t:
        nn.cross_entropy(net(x), y).backward()
    np.testing.assert_array_equal(copy.deepcopy(t)[0].df_ds, narrow.slope(t[0].s))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(t))[0].df_ds, narrow.slope(t[0].s))
    assert ACTIVATIONS["swish"] is wide


def given():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", engine.ActivationWarning)

        @activation(title="given swish", kinks=(0.5,))
        def given_swish(s, b=1.0):
            return s / (1 + engine.exp(-b * s))

    @given_swish.derivative
    def slope(s, b=1.0):
        y = sigmoid(b * s)
        return y + b * s * y * (1 - y)

    return given_swish


def each():
    own = given()
    clipped = activation(title="clipped")(lambda s, a=1.0: engine.clip(s, -a, a) + elu(s, alpha=a))
    return {
        "built in": engine.tanh,
        "variant": elu(alpha=0.3),
        "f′": engine.gelu.derivative,
        "f′ of a variant": elu(alpha=0.3).derivative,
        "f″": engine.tanh.derivative.derivative,
        "own": clipped,
        "own variant": clipped(a=2.0),
        "own f′": clipped.derivative,
        "own f″ of a variant": clipped(a=2.0).derivative.derivative,
        "own with f′ given": own,
        "own f′ given": own(b=2.0).derivative,
    }


KINDS = (
    *("built in", "variant", "f′", "f′ of a variant", "f″", "own", "own variant", "own f′"),
    *("own f″ of a variant", "own with f′ given", "own f′ given"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_the_activation_itself_and_so_is_a_pickle_here(kind):
    f = each()[kind]
    assert copy.copy(f) is copy.deepcopy(f) is copy.deepcopy([f])[0] is f
    assert pickle.loads(pickle.dumps(f)) is f
    net = nn.MLP([2, 3, 2], f, dtype=np.float64)
    x = np.random.default_rng(1).normal(size=(5, 2))
    recorder = nn.Recorder(net, probe=(x, np.zeros(5, int)))
    recorder.step()
    assert recorder.losses == [nn.cross_entropy(net(x), np.zeros(5, int)).item()]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "own" in kind])
def test_a_pickle_carries_the_definition(kind):
    f = each()[kind]
    data, name = pickle.dumps(f), f.name.rstrip("′")
    other = activation(title=name)(lambda s: 7.0 * s)
    before = dict(ACTIVATIONS)
    again = pickle.loads(data)
    assert dict(ACTIVATIONS) == before and ACTIVATIONS[name] is other
    assert (again.name, again.parameters, again.kinks) == (f.name, f.parameters, f.kinks)
    assert again.__doc__ == f.__doc__
    for g, h in ((f, again), (f.derivative, again.derivative)):
        np.testing.assert_array_equal(g.value(S), h.value(S))
        np.testing.assert_array_equal(g.slope(S), h.slope(S))
    assert pickle.loads(data) is again


def test_another_process_computes_with_the_same_function(tmp_path):
    """It knows another function of that name, or none."""
    f = given()
    net = nn.MLP([2, 4, 2], f(b=0.7), rng=3, dtype=np.float64)
    x = np.random.default_rng(1).normal(size=(5, 2))
    (tmp_path / "net").write_bytes(pickle.dumps((net, f.derivative, x)))
    program = """
import pickle, sys
from engine import ACTIVATIONS, activation
if len(sys.argv) > 2:
    activation(title="given swish")(lambda s: s)
known = dict(ACTIVATIONS)
net, slope, x = pickle.loads(open(sys.argv[1], "rb").read())
assert dict(ACTIVATIONS) == known
print(net(x).numpy().tobytes().hex(), slope(x).tobytes().hex())
"""
    right = f"{net(x).numpy().tobytes().hex()} {f.derivative(x).tobytes().hex()}"
    for extra in ([], ["taken"]):
        command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "net"), *extra]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert run.stdout.strip() == right, run.stderr


def test_a_pickle_of_before_f_was_given_a_slope_keeps_the_old_one():
    cube = activation(title="own cube")(lambda s: s * s * s)
    before = pickle.dumps(cube)

    @cube.derivative
    def slope(s):
        return 3 * (s * s)

    again, new = pickle.loads(before), pickle.loads(pickle.dumps(cube))
    assert new is cube and again is not cube
    assert again.source != cube.source
    np.testing.assert_allclose(again.slope(S), cube.slope(S))


def test_what_no_process_could_make_again_is_refused_when_it_is_pickled():
    f = Activation("mine", kernel=engine.tanh.kernel, second=lambda s: 0 * s)
    for g in (f, f.derivative):
        assert copy.deepcopy(g) is g
        with pytest.raises(pickle.PicklingError, match=r"mine can.t be pickled.*@activation"):
            pickle.dumps(g)


def test_a_pickle_with_an_unknown_operation_is_refused():
    f = activation(title="own line")(lambda s: 2.0 * s)
    restore, ((title, formula, *rest), *others) = f.__reduce__()
    formula = tuple((kind.replace("multiply", "system"), *more) for kind, *more in formula)
    with pytest.raises(ValueError, match="'system' is no operation"):
        restore((title, formula, *rest), *others)


def test_an_activation_replaced_in_the_table_changes_no_pickle():
    data = pickle.dumps(engine.tanh)
    ACTIVATIONS["tanh"] = engine.relu
    assert pickle.loads(data) is engine.tanh


# --- variants -------------------------------------------------------------------------------------


def test_variants_are_kept_and_share_what_was_compiled():
    f = activation(title="own swish")(lambda s, b=1.0: s * sigmoid(b * s))
    g = f(b=1.5)
    assert g is f(b=1.5) is f(b=np.float64(1.5)) is f(b=0.2)(b=1.5)
    assert g(b=1) is f(b=1.0) is f
    assert g.kernel is f.kernel and g.source == f.source
    assert f(b=np.int64(2)) is f(b=2)


def test_a_variant_examines_nothing_before_it_is_asked(monkeypatch):
    f = activation(title="own leaky")(lambda s, a=0.1: where(s > 0, s, a * s))

    def fail(*_):
        raise AssertionError("examined")

    for name in ("find_kinks", "find_range", "examine", "kernel_of"):
        monkeypatch.setattr(f"engine.activations.own.{name}", fail)
    np.testing.assert_allclose(f(S, a=0.37), np.where(S > 0, S, 0.37 * S))
    x = Tensor(S, requires_grad=True)
    f(x, a=0.37).sum().backward()
    np.testing.assert_allclose(x.grad, np.where(S > 0, 1, 0.37))
    monkeypatch.undo()
    assert f(a=0.37).kinks == (0.0,) and f(a=0.37).findings == ()


def test_a_parameter_that_is_new_at_every_call_keeps_nothing():
    f = activation(title="own swish")(lambda s, b=1.0: s * sigmoid(b * s))
    used = f(b=3.0)
    f(S, b=2.0)
    modules, runs = len(sys.modules), len(engine.kernels.compiled.runs._compiled)
    for i in range(1000):
        f(S, b=2.0 + i / 1000)
        elu(S, alpha=2.0 + i / 1000)
    assert f(b=3.0) is used
    gc.collect()
    kept = [x for x in gc.get_objects() if isinstance(x, Activation) and x.root is not x]
    assert len(kept) < 300
    assert (len(sys.modules), len(engine.kernels.compiled.runs._compiled)) == (modules, runs)


def test_an_equal_definition_is_not_compiled_again():
    f, again = (activation(title="own swish")(lambda s: s * sigmoid(3.0 * s)) for _ in range(2))
    assert f is not again and f.kernel is again.kernel
    assert isinstance(again, OwnActivation)
