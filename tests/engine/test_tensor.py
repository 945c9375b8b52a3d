"""`Tensor` as a value: what it accepts, copies, shows and refuses."""

import copy
import math
import operator
import pickle

import numpy as np
import pytest

import engine
from engine import DtypeError, GraphError, ShapeError, Tensor, no_grad, where

INTEGERS = ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]


@pytest.mark.plain
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_and_booleans_are_promoted_as_numpy_promotes_them(dtype):
    data = np.array([0, 1, 1], dtype)
    tensor = Tensor(data)
    assert tensor.dtype == np.result_type(data.dtype, np.float32)
    assert tensor.numpy().tolist() == [0.0, 1.0, 1.0]


def test_pythons_own_numbers_become_float64():
    for data in (1, 1.5, [1, 2], [1.0, 2.0], [[1], [2]], range(3)):
        assert Tensor(data).dtype == np.float64
        assert Tensor(data).shape == np.shape(data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_given_dtype_wins(dtype):
    for data in (1, [1, 2], np.ones(2, np.float32), np.ones(2, np.float64), Tensor([1.0])):
        assert Tensor(data, dtype=dtype).dtype == dtype


def test_other_byte_orders_become_native():
    swapped = np.array([1.0, 2.0], np.dtype(np.float32).newbyteorder())
    assert Tensor(swapped).dtype == np.float32
    assert Tensor(swapped).dtype.isnative
    assert Tensor(swapped).numpy().tolist() == [1.0, 2.0]


REFUSED = [
    1j,
    np.ones(2, complex),
    np.ones(2, np.complex64),
    "a",
    ["a", "b"],
    None,
    object(),
    np.array([1, None], object),
    [10**30],
    np.ones(2, np.float16),
    np.array(["2020-01-01"], "M8[D]"),
    [[1.0], [1.0, 2.0]],
]
if np.dtype(np.longdouble).itemsize > 8:  # on some machines it is float64 itself
    REFUSED.append(np.ones(2, np.longdouble))


@pytest.mark.plain
@pytest.mark.parametrize("data", REFUSED, ids=map(str, range(len(REFUSED))))
def test_what_is_no_real_number_is_refused(data):
    with pytest.raises(DtypeError):
        Tensor(data)
    with pytest.raises(DtypeError):
        Tensor(1.0, requires_grad=True) + data


@pytest.mark.parametrize(
    "dtype",
    [
        *(int, bool, complex, str, object, np.int8, np.uint64, np.float16, np.complex64),
        *("U3", "M8[D]", "i,f", "no such dtype", [("a", float)], (3,)),
    ],
    ids=str,
)
def test_other_types_are_refused_as_a_wish_too(dtype):
    for wish, what in (
        (lambda: Tensor([1.7], dtype=dtype), "Tensor"),
        (lambda: Tensor(np.ones(2, np.float32), dtype=dtype), "Tensor"),
        (lambda: Tensor([1.7]).astype(dtype), "astype"),
        (lambda: Tensor([1], requires_grad=True).astype(dtype), "astype"),
    ):
        with pytest.raises(DtypeError, match=rf"^{what}: .*float32 or float64"):
            wish()


def test_a_dtype_may_be_spelt_in_all_ways():
    for dtype in ("f4", "float32", np.float32, np.dtype(">f4")):
        assert Tensor([1.5], dtype=dtype).dtype == np.float32
        assert Tensor([1.5]).astype(dtype).dtype.isnative
    assert Tensor([1], dtype=float).dtype == np.float64


def test_dtype_error_names_the_dtype_and_a_remedy():
    with pytest.raises(DtypeError, match=r"float16.*astype"):
        Tensor(np.ones(2, np.float16))


@pytest.mark.plain
def test_the_callers_array_is_copied():
    data = np.array([1.0, 2.0])
    tensor = Tensor(data)
    data[:] = 7
    assert tensor.numpy().tolist() == [1.0, 2.0]
    other = Tensor(tensor)
    tensor.assign(5.0)
    assert other.numpy().tolist() == [1.0, 2.0]


def test_numpy_is_a_read_only_view_of_the_present_values():
    tensor = Tensor([1.0, 2.0], requires_grad=True)
    view = tensor.numpy()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 3
    with pytest.raises(ValueError, match="read-only"):
        view += 1
    tensor.assign([3.0, 4.0])
    assert view.tolist() == [3.0, 4.0]


def test_item_gives_a_python_float():
    for data in (2.5, [2.5], np.array([[2.5]], np.float32)):
        assert type(Tensor(data).item()) is float
        assert Tensor(data).item() == float(Tensor(data)) == 2.5
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        Tensor([1.0, 2.0]).item()


def test_shape_properties():
    tensor = Tensor(np.ones((2, 3, 4)))
    assert (tensor.shape, tensor.ndim, tensor.size, len(tensor)) == ((2, 3, 4), 3, 24, 2)


def test_detach_is_a_constant_of_the_same_memory():
    x = Tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    assert not d.requires_grad
    assert d.is_leaf
    assert np.shares_memory(d.numpy(), x.numpy())
    (x * d).sum().backward()
    assert x.grad.numpy().tolist() == [1.0, 2.0]


def test_updating_a_detached_tensor_leaves_the_original_alone():
    x = Tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    d.assign(9.0)
    assert x.numpy().tolist() == [1.0, 2.0]
    assert d.numpy().tolist() == [9.0, 9.0]


def test_leaves_and_results():
    x = Tensor([1.0], requires_grad=True)
    assert x.is_leaf
    assert x.requires_grad
    assert not (x * 2).is_leaf
    assert (x * 2).requires_grad
    assert not (Tensor([1.0]) * 2).requires_grad
    assert Tensor([1.0]).grad is None
    with no_grad():
        assert not (x * 2).requires_grad


# --- one line about a tensor ---------------------------------------------------------------------


@pytest.mark.plain
@pytest.mark.parametrize(
    "data",
    [
        1.5,
        [1.0, 2.0],
        np.ones((3, 4), np.float32),
        np.zeros((0, 3)),
        [np.nan],
        [np.inf, -np.inf],
        [np.nan, np.inf, 1.0],
        np.full((5, 5), np.nan),
        [5e-324, 1e-310],
        np.arange(4.0).reshape(2, 2),
        pytest.param([1e308, 1.5e308, -1.7e308, 1.7e308], id="sum overflows"),
    ],
)
def test_repr_is_one_line_and_never_fails(data):
    text = repr(Tensor(data))
    assert text.startswith("Tensor(")
    assert "\n" not in text


def test_repr_shows_shape_dtype_range_and_marks():
    text = repr(Tensor(np.array([[1.0, np.nan, np.inf], [-3.0, -np.inf, 5.0]], np.float32)))
    for part in ("2×3", "float32", "-3 … 5", "mean 1", "1 NaN!", "2 Inf!"):
        assert part in text
    assert "NaN" not in repr(Tensor([1.0]))
    assert "requires_grad" in repr(Tensor([1.0], requires_grad=True))
    assert "graph" in repr(Tensor([1.0], requires_grad=True) * 2)
    assert "W1" in repr(Tensor([1.0], name="W1"))
    assert "empty" in repr(Tensor(np.zeros((0, 2))))


# --- as Python sees it ---------------------------------------------------------------------------


def test_truth():
    assert Tensor(1.0)
    assert not Tensor([0.0])
    with pytest.raises(ShapeError, match=r"\(2,\).*where"):
        bool(Tensor([1.0, 2.0]))


def test_length_and_iteration():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = list(x)
    assert [row.shape for row in rows] == [(2,), (2,)]
    (rows[1] * 3).sum().backward()
    assert x.grad.numpy().tolist() == [[0, 0], [3, 3]]
    with pytest.raises(TypeError):
        len(Tensor(1.0))
    with pytest.raises(TypeError):
        list(Tensor(1.0))


def test_a_tensor_can_be_a_key():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1, y: 2}[x] == 1


@pytest.mark.parametrize("array_first", [False, True])
def test_comparisons_give_plain_booleans(array_first):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    s, t = (a, Tensor(b)) if array_first else (Tensor(a), b)
    for ours, theirs in (
        (s < t, a < b),
        (s <= t, a <= b),
        (s > t, a > b),
        (s >= t, a >= b),
        (s == t, a == b),
        (s != t, a != b),
    ):
        assert type(ours) is np.ndarray
        assert ours.dtype == np.bool_
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_leaves_can_be_copied_and_pickled(how, requires_grad):
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad, name="W1")
    y = how(x)
    assert y.numpy().tolist() == [1.0, 2.0]
    assert (y.dtype, y.requires_grad, y.name) == (x.dtype, requires_grad, "W1")
    y.assign(5.0)
    assert x.numpy().tolist() == [1.0, 2.0]
    if requires_grad:
        (y * y).sum().backward()
        assert x.grad is None


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_results_with_a_graph_cannot_be_copied(how):
    y = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(GraphError, match=r"multiply.*detach.*numpy\(\)"):
        how(y)
    how(y.detach())


def test_numpy_may_not_take_the_array_of_what_is_differentiated():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for tensor in (x, x * 2):
        with pytest.raises(TypeError, match=r"engine\.stack.*numpy\(\).*detach"):
            np.asarray(tensor)
        with pytest.raises(TypeError):
            np.array(tensor)
        with pytest.raises(TypeError):
            Tensor([tensor, tensor])
        assert np.asarray(tensor.detach()).tolist() == tensor.numpy().tolist()
        with no_grad():
            assert np.asarray(tensor).tolist() == tensor.numpy().tolist()


def _filled(x):
    array = np.zeros(2)
    array.fill(x)
    return (array * x).sum()


def _assigned(x, dtype=float, at=0):
    array = np.zeros(2, dtype)
    array[at] = x
    return (x * array).sum()


def _flat(x):
    array = np.zeros(2)
    array.flat[0] = x
    return (x * array).sum()


PLAIN_NUMBERS = {
    "float": float,
    "int": int,
    "complex": complex,
    "round": round,
    "round to digits": lambda x: round(x, 2),
    "index": operator.index,
    "math": math.exp,
    "math.floor": math.floor,
    "math.fsum": lambda x: math.fsum([x, x]),
    "%": lambda x: float(operator.mod("%f", x)),
    "np.float64": np.float64,
    "np.float32": np.float32,
    "entry": _assigned,
    "entry of integers": lambda x: _assigned(x, int),
    "entry of complex numbers": lambda x: _assigned(x, complex),
    "entry of float32": lambda x: _assigned(x, np.float32),
    "slice": lambda x: _assigned(x, at=slice(None)),
    "mask": lambda x: _assigned(x, at=[True, False]),
    "flat": _flat,
    "fill": _filled,
    "full": lambda x: np.full(2, x),
    "fromiter": lambda x: np.fromiter([x], float).sum(),
    "array": lambda x: np.array([x, x]).sum(),
    "random": lambda x: np.random.default_rng(0).normal(x),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", PLAIN_NUMBERS)
def test_no_plain_number_of_what_grad_differentiates(name):
    def f(x):
        return x * PLAIN_NUMBERS[name](x)

    for derivative in (
        lambda: engine.grad(f)(2.0),
        lambda: engine.value_and_grad(f)(2.0),
        lambda: engine.vjp(f, 2.0),
        lambda: engine.jacobian(f, 2.0),
        lambda: engine.hvp(f, 2.0, 1.0),
        lambda: engine.grad(lambda x: f(x * x))(2.0),
    ):
        with pytest.raises((TypeError, ValueError)) as caught:  # NumPy makes ValueErrors of these
            derivative()
        cause = caught.value.__cause__ or caught.value
        if name not in ("index", "flat"):
            assert "gradient" in str(cause)
    assert engine.core.context.state.nesting == 0


def test_the_way_out_of_the_graph_is_asked_for_by_name():
    for out in (
        Tensor.item,
        Tensor.numpy,
        lambda x: float(x.detach()),
        lambda x: math.sqrt(x.item() ** 2),
        lambda x: 2.0 if x else 0.0,
        lambda x: float(f"{x:.3f}"),
    ):
        assert engine.grad(lambda x, out=out: x * out(x))(2.0).item() == 2.0

    def without(x):
        with no_grad():
            return x * float(x)

    assert engine.grad(lambda x: x + without(x))(2.0).item() == 1.0


def test_a_training_loop_may_take_plain_numbers():
    x = Tensor(2.5, requires_grad=True)
    losses = np.zeros(2)
    for loss in (x, x * x):
        losses[0] = loss
        assert float(loss) == loss.item() == losses[0]
        assert int(loss) == int(loss.item())
        assert round(loss) == round(loss.item())
        assert round(loss, 1) == round(loss.item(), 1)
        assert math.sqrt(loss) == math.sqrt(loss.item())
        assert f"{loss:.2f}" == f"{loss.item():.2f}"
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        int(Tensor([1.0, 2.0]))


def test_an_array_taken_by_numpy_is_a_copy():
    x = Tensor([1.0, 2.0])
    array = np.asarray(x)
    array[:] = 9
    assert x.numpy().tolist() == [1.0, 2.0]
    assert np.array(x, dtype=np.float32).dtype == np.float32


# --- writing -------------------------------------------------------------------------------------


def test_assign_broadcasts_and_keeps_the_dtype():
    W = Tensor(np.zeros((2, 2), np.float32), requires_grad=True)
    W.assign([1.0, 2.0])
    assert W.numpy().tolist() == [[1, 2], [1, 2]]
    W.assign(Tensor(3.0))
    assert W.numpy().tolist() == [[3, 3], [3, 3]]
    assert W.dtype == np.float32
    with pytest.raises(ShapeError, match=r"\(3,\).*W1.*\(2, 2\)"):
        Tensor(np.zeros((2, 2)), name="W1").assign(np.zeros(3))


def test_update_writes_in_place():
    W = Tensor([1.0, 2.0], requires_grad=True)
    view = W.numpy()
    W.update(lambda array: np.multiply(array, 2, out=array))
    assert view.tolist() == [2.0, 4.0]


def test_a_result_cannot_be_updated():
    y = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(GraphError, match=r"multiply.*new tensor"):
        y.assign(1.0)


def test_entries_cannot_be_assigned():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for tensor in (x, x * 2, x.detach()):
        with pytest.raises(TypeError, match=r"where.*update"):
            tensor[0] = 5.0
    assert x.numpy().tolist() == [1.0, 2.0]


def test_updating_a_constant_view_leaves_the_viewed_alone():
    x = Tensor([[1.0, 2.0]])
    row = x[0]
    row.assign(7.0)
    assert x.numpy().tolist() == [[1.0, 2.0]]
    assert row.numpy().tolist() == [7.0, 7.0]


# --- .grad ---------------------------------------------------------------------------------------


def test_grad_can_be_set_read_and_forgotten():
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    assert x.grad is None
    x.grad = np.array([3.0, 4.0])
    assert x.grad.dtype == np.float32
    (x * 1.0).sum().backward()
    assert x.grad.numpy().tolist() == [4.0, 5.0]
    x.zero_grad()
    assert x.grad is None
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        x.grad = np.ones(3)
    with pytest.raises(GraphError):
        Tensor([1.0]).grad = np.ones(1)


def test_an_intermediate_result_must_be_asked_to_keep_its_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    with pytest.raises(GraphError, match=r"multiply.*retain_grad"):
        _ = y.grad
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.numpy().tolist() == [6.0, 12.0]
    assert x.grad.numpy().tolist() == [18.0, 36.0]


def test_changing_one_gradient_does_not_change_another():
    # add hands the same array to both operands.
    a, b = (Tensor([1.0, 2.0], requires_grad=True) for _ in "ab")
    (a + b).backward(np.array([5.0, 6.0]))
    a.grad.assign(0.0)
    assert b.grad.numpy().tolist() == [5.0, 6.0]


def test_the_callers_seed_is_copied():
    x = Tensor([1.0, 2.0], requires_grad=True)
    seed, tensor = np.array([5.0, 6.0]), Tensor([5.0, 6.0])
    x.backward(seed)
    seed[:] = 0
    assert x.grad.numpy().tolist() == [5.0, 6.0]
    x.zero_grad()
    x.backward(tensor)
    tensor.assign(0.0)
    assert x.grad.numpy().tolist() == [5.0, 6.0]


# --- dtypes --------------------------------------------------------------------------------------


@pytest.mark.plain
def test_mixed_precision_promotes_and_each_gradient_has_its_operands_dtype():
    a = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    b = Tensor(np.array([3.0, 4.0], np.float64), requires_grad=True)
    for y in (a + b, a * b, a / b, a**b, b - a, a @ b, where(a > 1, a, b)):
        assert y.dtype == np.float64
        y.sum().backward()
        assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    assert a.grad.numpy().tolist()[0] != 0


def test_python_numbers_do_not_count_and_numpy_scalars_do():
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    for number in (2, 2.5, True):
        for y in (x + number, number - x, x * number, number / x, x**number):
            assert y.dtype == np.float32
    for scalar in (np.float64(2), np.int64(2), np.array(2.0), np.ones(2)):
        assert (x * scalar).dtype == (x.numpy() * np.asarray(scalar)).dtype == np.float64
        assert (scalar * x).dtype == np.float64
    for scalar in (np.float32(2), np.int16(2), np.ones(2, np.float32), np.ones(2, np.int8)):
        assert (x * scalar).dtype == np.float32
        assert (scalar * x).dtype == np.float32
    (x * np.float64(2)).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.numpy().tolist() == [2.0, 2.0]


def test_a_zero_dimensional_float32_stays_float32():
    x = Tensor(np.float32(3), requires_grad=True)
    y = x * 2.0 + 1
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32
    assert x.grad.shape == ()


@pytest.mark.parametrize(
    ("name", "advice"),
    {
        "exp": r"engine\.exp\(t\)",
        "relu": r"engine\.relu\(t\)",
        "softmax": r"engine\.softmax\(t\)",
        "std": r"t\.mean\(\)",
        "view": r"t\.reshape",
        "squeeze": r"t\.reshape",
        "permute": r"t\.transpose",
        "clone": r"t\.detach",
        "argmax": r"t\.numpy\(\)\.argmax",
        "sin": r"no derivative of np\.sin.*custom_vjp",
        "gard": "no 'gard'$",
        "_sin": "no '_sin'$",
    }.items(),
)
def test_a_name_of_another_library_is_refused_with_what_it_is_here(name, advice):
    for tensor in (Tensor([1.0]), Tensor([1.0], requires_grad=True) * 2):
        assert not hasattr(tensor, name)
        with pytest.raises(AttributeError, match=advice) as caught:
            getattr(tensor, name)
        assert (caught.value.name, caught.value.obj) == (name, tensor)


def test_a_misspelt_attribute_is_refused():
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(AttributeError, match="gard"):
        x.gard = None
