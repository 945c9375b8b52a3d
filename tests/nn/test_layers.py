"""Layers: parameters and their names, and state that is loaded whole or not at all."""

import numpy as np
import pytest

import engine
import nn
from engine import ShapeError, Tensor
from nn import MLP, Dense, Sequential

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def small(**changed):
    return MLP([3, 5, 4, 2], **({"activation": "tanh", "rng": 0} | changed))


class TestDense:
    @pytest.mark.parametrize("activation", ["identity", "relu", engine.tanh])
    def test_it_is_the_engines_dense(self, activation):
        layer = Dense(3, 4, activation, bias_init="standard", rng=0)
        f = engine.find_activation(activation)
        ours, engines = layer(X), engine.dense(Tensor(X), layer.W, layer.b, f)
        np.testing.assert_array_equal(ours.numpy(), engines.numpy())
        expected = f.value(X.astype(np.float64) @ layer.W.numpy() + layer.b.numpy())
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5, atol=1e-6)

    def test_parameters(self):
        layer = Dense(3, 4, rng=0, name="first")
        assert [name for name, _ in layer.named_parameters()] == ["first.W", "first.b"]
        W, b = layer.parameters()
        assert W is layer.W and b is layer.b
        assert (W.shape, b.shape) == ((3, 4), (4,))
        assert W.requires_grad and b.requires_grad
        assert (W.name, b.name) == ("first.W", "first.b")

    def test_the_schemes_draw_from_one_stream(self):
        scheme, rng = nn.init.standard(), np.random.default_rng(5)
        layer = Dense(3, 4, "tanh", "standard", "standard", rng=5)
        np.testing.assert_array_equal(layer.W.numpy(), scheme((3, 4), rng))
        np.testing.assert_array_equal(layer.b.numpy(), scheme((4,), rng, fans=(3, 4)))

    def test_a_bias_is_drawn_by_the_fan_in_of_its_weights(self):
        # PyTorch's nn.Linear: U[±1/√fan_in] for both.
        b = Dense(100, 20_000, bias_init="standard", rng=0).b.numpy()
        assert b.var() == pytest.approx(1 / 300, rel=0.02)
        assert not Dense(100, 20, rng=0).b.numpy().any()

    def test_the_default_scheme_is_xavier(self):
        assert Dense(3, 4, rng=0).weight_init.name == "xavier_uniform"
        assert small().layers[0].weight_init.name == "xavier_uniform"

    @pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 3)])
    def test_sizes_below_one(self, sizes):
        with pytest.raises(ValueError, match="at least 1") as caught:
            Dense(*sizes, rng=0)
        assert str(sizes) in str(caught.value)

    def test_names_that_are_unknown(self):
        with pytest.raises(ValueError, match=r"'thanh'.*tanh"):
            Dense(3, 4, "thanh", rng=0)
        with pytest.raises(ValueError, match=r"'he'.*kaiming_normal"):
            Dense(3, 4, weight_init="he", rng=0)
        with pytest.raises(ValueError, match=r"'none'.*zeros"):
            Dense(3, 4, bias_init="none", rng=0)

    def test_arguments_in_their_order(self):
        layer = Dense(3, 4, "tanh", "standard", "zeros", 7, np.float64, "top")
        other = Dense(
            n_in=3,
            n_out=4,
            activation="tanh",
            weight_init="standard",
            bias_init="zeros",
            rng=7,
            dtype=np.float64,
            name="top",
        )
        assert layer.W.dtype == np.float64 and layer.name == "top" and layer.f.name == "tanh"
        np.testing.assert_array_equal(layer.W.numpy(), other.W.numpy())

    def test_without_a_seed_weights_are_fresh(self):
        for make in (
            lambda: [Dense(3, 4), Dense(3, 4, rng=None), Dense(3, 4, rng=0)],
            lambda: Sequential(Dense(3, 3), Dense(3, 3)).layers,
            lambda: [MLP([3, 4, 4]).layers[0], MLP([3, 4, 4]).layers[0]],
            lambda: MLP([4, 4, 4]).layers,
        ):
            weights = {layer.W.numpy().tobytes() for layer in make()}
            assert len(weights) == len(make())
        a, b = Dense(3, 4, rng=0), Dense(3, 4, rng=0)
        np.testing.assert_array_equal(a.W.numpy(), b.W.numpy())

    def test_repr(self):
        assert repr(Dense(3, 4, "relu", "standard", rng=0, name="top")) == (
            "top: Dense(3, 4, relu, standard)"
        )


class TestPrecision:
    @pytest.mark.parametrize("x", [X, X.astype(np.float64), X.tolist(), X.astype(np.int64)])
    def test_data_do_not_promote_a_float32_net(self, x):
        net = small()
        y = net(x)
        assert y.dtype == np.float32
        y.sum().backward()
        assert {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float32)}

    def test_a_float64_net(self):
        net = small(dtype=np.float64, bias_init="standard")
        assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
        y = net(X)
        assert y.dtype == np.float64
        expected = X.astype(np.float64)
        for layer in net.layers:
            expected = layer.f.value(expected @ layer.W.numpy() + layer.b.numpy())
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)

    def test_a_tensor_keeps_its_precision(self):
        # A tensor that takes part in the differentiation is not converted behind its back.
        x = Tensor(X, requires_grad=True, dtype=np.float64)
        y = small()(x)
        y.sum().backward()
        assert (y.dtype, x.grad.dtype) == (np.float64, np.float64)

    @pytest.mark.parametrize("dtype", [int, np.int32, bool])
    def test_a_dtype_that_is_no_float(self, dtype):
        with pytest.raises(TypeError, match="float32"):
            small(dtype=dtype)

    def test_a_float_that_the_engine_does_not_know(self):
        with pytest.raises(TypeError, match="float16"):
            small(dtype=np.float16)


class TestMLP:
    def test_names_order_and_shapes(self):
        shapes = [(name, p.shape) for name, p in small().named_parameters()]
        assert shapes == [
            ("layer 1.W", (3, 5)),
            ("layer 1.b", (5,)),
            ("layer 2.W", (5, 4)),
            ("layer 2.b", (4,)),
            ("output.W", (4, 2)),
            ("output.b", (2,)),
        ]
        assert [p.name for p in small().parameters()] == [name for name, _ in shapes]

    def test_hidden_layers_and_output(self):
        net = small()
        assert [layer.f.name for layer in net.layers] == ["tanh", "tanh", "identity"]
        top = small(output_activation="sigmoid").layers
        assert [layer.f.name for layer in top] == ["tanh", "tanh", "sigmoid"]
        assert net.sizes == (3, 5, 4, 2)
        assert [layer.name for layer in MLP([3, 2], rng=0).layers] == ["output"]

    def test_layers_are_drawn_one_after_another_from_one_stream(self):
        scheme, rng = nn.init.standard(), np.random.default_rng(4)
        net = MLP([3, 5, 5, 2], weight_init="standard", bias_init="standard", rng=4)
        for layer, shape in zip(net.layers, [(3, 5), (5, 5), (5, 2)], strict=True):
            np.testing.assert_array_equal(layer.W.numpy(), scheme(shape, rng))
            np.testing.assert_array_equal(layer.b.numpy(), scheme(shape[1:], rng, fans=shape))

    def test_seeds(self):
        same, other = small(rng=0), small(rng=1)
        for name, value in small(rng=0).state_dict().items():
            np.testing.assert_array_equal(same.state_dict()[name], value)
            if name.endswith("W"):
                assert (other.state_dict()[name] != value).any()
        # 0 is a seed: two nets of it agree, which two nets of no seed would not.
        np.testing.assert_array_equal(small(rng=0)(X).numpy(), small(rng=0)(X).numpy())

    @pytest.mark.parametrize("sizes", [[], [3]])
    def test_too_few_sizes(self, sizes):
        with pytest.raises(ShapeError, match="sizes"):
            MLP(sizes)

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ((20, 16, 3), TypeError, r"MLP\(20, …\): the sizes are one sequence, MLP\(\[20, 16"),
            (("20",), TypeError, "one sequence"),
            ((None,), TypeError, "one sequence"),
            (([5, 0, 3],), ValueError, r"MLP\(\[5, 0, 3\]\): .* at least 1 .* not 0"),
            (([5, -1],), ValueError, "not -1"),
            (([5.5, 3],), TypeError, r"MLP\(\[5\.5, 3\]\): 5\.5 is no number of inputs or units"),
            (([True, 3],), TypeError, "True is no number"),
            ((["3", 2],), TypeError, "'3' is no number"),
            (([[3, 2]],), TypeError, r"\[3, 2\] is no number"),
        ],
    )
    def test_sizes_that_are_refused(self, arguments, error, words):
        with pytest.raises(error, match=words):
            MLP(*arguments)
        if isinstance(arguments[0], list) and len(arguments[0]) > 1:
            with pytest.raises(error, match=words.rpartition(": ")[2].replace("MLP", "Dense")):
                Dense(*arguments[0])

    @pytest.mark.parametrize("sizes", [(3, 2), np.array([3, 2]), iter([3, 2]), range(3, 1, -1)])
    def test_sizes_in_any_sequence(self, sizes):
        assert MLP(sizes, rng=0).sizes == (3, 2)

    def test_errors_and_traces_name_the_layer(self):
        net = small()
        with pytest.raises(ShapeError, match=r"dense in layer 1:.*\(6, 2\).*\(3, 5\)"):
            net(X[:, :2])
        net.layers[1].W = Tensor(np.ones((9, 4), np.float32), requires_grad=True)
        with pytest.raises(ShapeError, match=r"dense in layer 2:"):
            net(X)
        with engine.trace() as t:
            small()(X).sum().backward()
        assert [layer.name for layer in t.layers] == ["layer 1", "layer 2", "output"]
        with engine.place("encoder"), pytest.raises(ShapeError, match="in encoder / layer 1"):
            net(X[:, :2])

    def test_zero_grad(self):
        net = small()
        net(X).sum().backward()
        net.zero_grad()
        assert [p.grad for p in net.parameters()] == [None] * 6

    def test_repr_has_a_line_for_each_layer(self):
        assert repr(small()).splitlines() == [
            "MLP(",
            "  layer 1: Dense(3, 5, tanh, xavier_uniform)",
            "  layer 2: Dense(5, 4, tanh, xavier_uniform)",
            "  output: Dense(4, 2, identity, xavier_uniform)",
            ")",
        ]


class TestSequential:
    def test_it_is_its_parts_one_after_another(self):
        rng = np.random.default_rng(0)
        first, second = Dense(3, 4, rng=rng), Dense(4, 2, rng=rng)
        net = Sequential(first, engine.tanh, second, lambda x: x * 2.0)
        expected = second(engine.tanh(first(X))) * 2.0
        np.testing.assert_array_equal(net(X).numpy(), expected.numpy())
        net(X).sum().backward()
        assert all(p.grad is not None for p in net.parameters())

    def test_layers_without_a_name_are_numbered_among_the_layers(self):
        rng = np.random.default_rng(0)
        net = Sequential(
            Dense(3, 4, rng=rng), engine.tanh, Dense(4, 4, rng=rng, name="middle"), engine.relu,
            Dense(4, 2, rng=rng),
        )  # fmt: skip
        names = [name for name, _ in net.named_parameters()]
        assert names[::2] == ["layer 1.W", "middle.W", "layer 3.W"]
        assert [p.name for p in net.parameters()] == names
        with pytest.raises(ShapeError, match="in layer 1:"):
            net(X[:, :2])

    def test_two_parameters_of_one_name(self):
        rng = np.random.default_rng(0)
        with pytest.raises(ValueError, match=r"named a\.W, a\.b; give the layers different names"):
            Sequential(Dense(3, 3, rng=rng, name="a"), Dense(3, 3, rng=rng, name="a"))

    def test_what_can_not_be_called(self):
        with pytest.raises(TypeError, match="not 'tanh'"):
            Sequential(Dense(3, 3, rng=0), "tanh")

    def test_a_last_part_that_gives_no_tensor(self):
        with pytest.raises(TypeError, match="returned ndarray"):
            Sequential(Dense(3, 3, rng=0), lambda x: x.numpy())(X)


class Twins(nn.Layer):
    """Two layers; by default, both have one name."""

    def __init__(self, seed, *names):
        names = names or (None, None)
        self.parts = [Dense(4, 4, rng=seed + i, name=name) for i, name in enumerate(names)]

    def named_parameters(self):
        for part in self.parts:
            yield from part.named_parameters()

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x


class TestStateDict:
    def test_two_parameters_of_one_name_are_refused_by_both(self, tmp_path):
        net, path = Twins(0), tmp_path / "net.npz"
        words = r"Twins: parameters 1 \(4, 4\) and 3 \(4, 4\) are named 'dense\.W'; parameters 2"
        for use in (
            net.state_dict,
            lambda: net.save(path),
            lambda: net.load_state_dict({"dense.W": np.ones((4, 4)), "dense.b": np.ones(4)}),
        ):
            with pytest.raises(ValueError, match=r"are named 'dense\.W'") as caught:
                use()
        assert not path.exists()
        with pytest.raises(ValueError, match=words):
            net.state_dict()
        assert "Dense(…, name=…)" in str(caught.value)
        Dense(4, 4, rng=0, name="dense").save(path)
        before = net.parts[0].W.numpy().copy()
        with pytest.raises(ValueError, match="are named"):
            net.load(path)
        np.testing.assert_array_equal(net.parts[0].W.numpy(), before)

    def test_layers_with_names_of_their_own_are_saved_whole(self, tmp_path):
        a, b, x = Twins(0, "a", "b"), Twins(5, "a", "b"), np.ones((2, 4))
        a.save(tmp_path / "net.npz")
        b.load(tmp_path / "net.npz")
        np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())

    def test_one_parameter_used_twice_is_no_conflict(self):
        net = Twins(0, "a", "b")
        net.parts[1] = net.parts[0]
        assert list(net.state_dict()) == ["a.W", "a.b"]
        net.load_state_dict(net.state_dict())

    def test_it_copies(self):
        net = small()
        state = net.state_dict()
        before = net(X).numpy().copy()
        for value in state.values():
            value[...] = 7
        np.testing.assert_array_equal(net(X).numpy(), before)
        state = net.state_dict()
        net.layers[0].W.update(lambda array: array.fill(3))
        assert (state["layer 1.W"] != 3).all()

    def test_loading_copies_too_and_gives_the_same_bits(self):
        first, second = small(rng=0, bias_init="standard"), small(rng=1, bias_init="standard")
        state = first.state_dict()
        parameters = second.parameters()
        second.load_state_dict(state)
        assert all(a is b for a, b in zip(parameters, second.parameters(), strict=True))
        np.testing.assert_array_equal(first(X).numpy(), second(X).numpy())
        for value in state.values():
            value[...] = 0
        np.testing.assert_array_equal(first(X).numpy(), second(X).numpy())

    def test_lists_and_other_numbers_are_converted(self):
        net = small()
        state = {name: np.ones(p.shape, int).tolist() for name, p in net.named_parameters()}
        net.load_state_dict(state)
        assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
        assert all((p.numpy() == 1).all() for p in net.parameters())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"output.b": None}, r"output\.b is missing"),
            ({"layer 9.W": np.ones(2)}, r"layer 9\.W is not a parameter"),
            ({"output.b": np.ones(3)}, r"output\.b has shape \(3,\), not \(2,\)"),
            # What NumPy would broadcast is a wrong shape all the same.
            ({"output.b": np.ones(1)}, r"output\.b has shape \(1,\), not \(2,\)"),
            ({"output.W": np.ones((2, 4))}, r"output\.W has shape \(2, 4\), not \(4, 2\)"),
            ({"output.b": ["1", "2"]}, r"output\.b holds <U1, not numbers"),
            ({"output.b": [None, None]}, r"output\.b holds object, not numbers"),
            ({"output.b": [1j, 2j]}, r"output\.b holds complex128"),
        ],
    )
    def test_all_of_it_or_nothing(self, change, message):
        net = small()
        before = net.state_dict()
        state = {name: np.zeros_like(value) for name, value in before.items()} | change
        with pytest.raises(ValueError, match=message):
            net.load_state_dict({name: v for name, v in state.items() if v is not None})
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, before[name])

    def test_every_fault_is_named_at_once(self):
        state = small().state_dict()
        del state["layer 1.W"]
        state |= {"new": np.ones(1), "output.b": np.ones(5)}
        with pytest.raises(
            ValueError, match=r"layer 1\.W is missing; new is not .*; output\.b has"
        ):
            small().load_state_dict(state)

    def test_a_graph_that_needs_the_old_values_notices(self):
        net = small()
        loss = net(X).sum()
        net.load_state_dict(small(rng=1).state_dict())
        with pytest.raises(engine.GraphError, match="changed"):
            loss.backward()
