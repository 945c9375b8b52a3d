"""Optimisers: each against its formula in NumPy, and what they leave alone."""

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from nn import SGD, Adam, Optimizer

RNG = np.random.default_rng(0)
START = [RNG.normal(size=(3, 2)), RNG.normal(size=4)]
GRADIENTS = [[RNG.normal(size=p.shape) for p in START] for _ in range(7)]

MAKERS = {
    "sgd": lambda params: SGD(params, lr=0.1),
    "momentum": lambda params: SGD(params, lr=0.1, momentum=0.9),
    "nesterov": lambda params: SGD(params, lr=0.1, momentum=0.8, nesterov=True),
    "adam": lambda params: Adam(params, lr=0.02, betas=(0.8, 0.95), eps=1e-3),
}


def sgd(theta, gradients):
    for g in gradients:
        theta = theta - 0.1 * g
    return theta


def momentum(theta, gradients):
    v = np.zeros_like(theta)
    for g in gradients:
        v = 0.9 * v + g
        theta = theta - 0.1 * v
    return theta


def nesterov(theta, gradients):
    """Sutskever's form: the gradient is taken ahead, at φ = θ + μ v, and φ is what is stored.

    v ← μ v − η g(φ), θ ← θ + v; PyTorch's velocity is −v/η.
    """
    v = np.zeros_like(theta)
    ahead = theta
    for g in gradients:
        here = ahead - 0.8 * v
        v = 0.8 * v - 0.1 * g
        ahead = here + v + 0.8 * v
    return ahead


def adam(theta, gradients):
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g**2
        theta = theta - 0.02 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
    return theta


REFERENCES = {"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam}
EACH = pytest.mark.parametrize("name", MAKERS)


def variables(dtype=np.float64):
    return [Tensor(p, requires_grad=True, dtype=dtype) for p in START]


def give(params, gradients):
    for p, g in zip(params, gradients, strict=True):
        p.grad = None if g is None else g.astype(p.dtype)


@EACH
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_steps_follow_the_formula(name, steps):
    params = variables()
    optimizer = MAKERS[name](params)
    for gradients in GRADIENTS[:steps]:
        give(params, gradients)
        optimizer.step()
    for i, p in enumerate(params):
        expected = REFERENCES[name](START[i], [g[i] for g in GRADIENTS[:steps]])
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-12, atol=1e-14)


@EACH
def test_a_parameter_without_a_gradient_waits_with_its_own_state(name):
    """The second parameter's state must count its own steps, not the optimiser's."""
    params = variables()
    optimizer = MAKERS[name](params)
    for k, gradients in enumerate(GRADIENTS):
        give(params, [gradients[0], gradients[1] if k % 2 else None])
        optimizer.step()
    every, odd = [g[0] for g in GRADIENTS], [g[1] for g in GRADIENTS[1::2]]
    reference = REFERENCES[name]
    np.testing.assert_allclose(params[0].numpy(), reference(START[0], every), rtol=1e-12)
    np.testing.assert_allclose(params[1].numpy(), reference(START[1], odd), rtol=1e-12)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_scale():
    for scale in (1e-3, 1.0, 1e6):
        p = Tensor(np.zeros(3), requires_grad=True)
        p.grad = scale * np.array([1.0, -2.0, 0.5])
        Adam([p], lr=0.01).step()
        np.testing.assert_allclose(p.numpy(), [-0.01, 0.01, -0.01], rtol=1e-4)


def test_adams_defaults():
    optimizer = Adam([Tensor([0.0], requires_grad=True)])
    assert (optimizer.lr, optimizer.betas, optimizer.eps) == (1e-3, (0.9, 0.999), 1e-8)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grad_is_read_and_never_written(name, dtype):
    params = variables(dtype)
    optimizer = MAKERS[name](params)
    for gradients in GRADIENTS:
        give(params, gradients)
        before = [(p.grad, p.grad.numpy().tobytes()) for p in params]
        optimizer.step()
        for p, (grad, content) in zip(params, before, strict=True):
            assert p.grad is grad
            assert p.grad.numpy().tobytes() == content


@EACH
def test_grad_of_a_backward_pass_is_not_written_either(name):
    net = nn.MLP([3, 4, 2], rng=0)
    optimizer = MAKERS[name](net.parameters())
    nn.cross_entropy(net(RNG.normal(size=(5, 3))), [0, 1, 0, 1, 1]).backward()
    before = [p.grad.numpy().tobytes() for p in net.parameters()]
    for _ in range(3):
        optimizer.step()
    assert [p.grad.numpy().tobytes() for p in net.parameters()] == before


@EACH
@pytest.mark.parametrize("lr", [0.1, np.float64(0.1)])
def test_float32_stays_float32(name, lr):
    params = variables(np.float32)
    optimizer = MAKERS[name](params)
    optimizer.lr = lr
    for gradients in GRADIENTS[:3]:
        give(params, gradients)
        optimizer.step()
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in params} == {np.dtype(np.float32)}


@EACH
def test_parameters_change_in_place_and_a_stale_graph_notices(name):
    net = nn.MLP([3, 4, 2], rng=0)
    optimizer = MAKERS[name](net.parameters())
    before = net.parameters()
    x = np.ones((2, 3))
    stale = nn.cross_entropy(net(x), [0, 1])
    nn.cross_entropy(net(x), [0, 1]).backward()
    optimizer.step()
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="changed"):
        stale.backward()


def test_the_learning_rate_may_change_between_steps():
    p = Tensor([0.0], requires_grad=True)
    p.grad = np.ones(1)
    optimizer = SGD([p], lr=1.0)
    optimizer.step()
    optimizer.lr = 0.25
    optimizer.step()
    assert p.item() == -1.25


@EACH
def test_step_before_backward(name):
    with pytest.raises(RuntimeError, match=r"call loss\.backward\(\) first"):
        MAKERS[name](variables()).step()


@EACH
def test_zero_grad(name):
    params = variables()
    give(params, GRADIENTS[0])
    MAKERS[name](params).zero_grad()
    assert [p.grad for p in params] == [None, None]


@pytest.mark.parametrize("kind", [SGD, Adam])
class TestRefused:
    @pytest.mark.parametrize("lr", [0.0, -0.1, np.nan, np.inf])
    def test_learning_rates(self, kind, lr):
        with pytest.raises(ValueError, match="learning rate must be positive and finite"):
            kind(variables(), lr=lr)

    @pytest.mark.parametrize("lr", ["0.1", None, True, 1j, [0.1]])
    def test_learning_rates_that_are_no_numbers(self, kind, lr):
        with pytest.raises(TypeError, match=r"lr=.*must be a number"):
            kind(variables(), lr=lr)

    def test_a_learning_rate_may_be_a_number_of_numpy(self, kind):
        assert type(kind(variables(), lr=np.float32(0.5)).lr) is float

    def test_no_parameters(self, kind):
        with pytest.raises(ValueError, match="no parameters"):
            kind([], lr=0.1)
        generator = (p for p in variables())
        kind(generator, lr=0.1)
        with pytest.raises(ValueError, match=r"no parameters.*only once"):
            kind(generator, lr=0.1)

    def test_what_is_no_list(self, kind):
        with pytest.raises(TypeError, match=r"net\.parameters\(\) instead of the net"):
            kind(nn.MLP([3, 2], rng=0), lr=0.1)
        for wrong in (variables()[0], None, 3):
            with pytest.raises(TypeError, match="takes a list of parameters"):
                kind(wrong, lr=0.1)

    def test_the_same_parameter_twice(self, kind):
        p, q = variables()
        with pytest.raises(ValueError, match="twice"):
            kind([p, q, p], lr=0.1)

    def test_what_is_no_parameter(self, kind):
        p = variables()[0]
        for wrong in (np.ones(2), Tensor([1.0]), p * 2.0, "W"):
            with pytest.raises(ValueError, match="requires_grad=True"):
                kind([p, wrong], lr=0.1)

    def test_a_generator_of_parameters_is_taken(self, kind):
        assert len(kind((p for p in variables()), lr=0.1).params) == 2

    def test_the_base_class_is_abstract(self, kind):
        assert issubclass(kind, Optimizer)
        with pytest.raises(TypeError, match="abstract"):
            Optimizer(variables(), lr=0.1)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 1.5, np.nan])
def test_momentum_out_of_range(momentum):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        SGD(variables(), lr=0.1, momentum=momentum)


def test_nesterov_without_momentum():
    with pytest.raises(ValueError, match="needs a momentum"):
        SGD(variables(), lr=0.1, nesterov=True)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"betas": betas} for betas in ((1.0, 0.9), (0.9, -0.1), (0.9, np.nan), (np.inf, 0.9))),
        *({"betas": betas} for betas in ((0.9,), 0.9, (0.9, 0.99, 0.999), (), None, "b")),
        *({"eps": eps} for eps in (0.0, -1.0, np.nan, np.inf)),
    ],
)
def test_adams_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Adam(variables(), **wrong)


@pytest.mark.parametrize(
    "wrong", [{"betas": (0.9, "x")}, {"betas": (True, 0.9)}, {"eps": "x"}, {"eps": None}]
)
def test_adams_arguments_that_are_no_numbers(wrong):
    with pytest.raises(TypeError, match=next(iter(wrong))):
        Adam(variables(), **wrong)


def test_adams_betas_may_be_any_pair():
    for betas in ([0.5, 0.25], np.array([0.5, 0.25]), (np.float32(0.5), 0.25)):
        assert Adam(variables(), betas=betas).betas == (0.5, 0.25)


@pytest.mark.parametrize("momentum", ["0.9", None, True])
def test_a_momentum_that_is_no_number(momentum):
    with pytest.raises(TypeError, match="momentum"):
        SGD(variables(), lr=0.1, momentum=momentum)


@EACH
def test_a_quadratic_is_minimised(name):
    centre, scale = np.array([1.0, -2.0, 3.0]), np.array([1.0, 0.5, 2.0])
    theta = Tensor(np.zeros(3), requires_grad=True)
    optimizer = MAKERS[name]([theta])
    for _ in range(600):
        loss = (scale * (theta - centre) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(theta.numpy(), centre, atol=5e-3)


# Training with state: a run that stops, is saved and goes on in fresh objects.
RESUMED = {
    "sgd": lambda params: SGD(params, lr=0.1),
    "fused": lambda params: SGD(params, lr=0.1, fused=True),
    "momentum": lambda params: SGD(params, lr=0.1, momentum=0.9),
    "nesterov": lambda params: SGD(params, lr=0.1, momentum=0.8, nesterov=True),
    "adam": lambda params: Adam(params, lr=0.02),
}


def begin(name, seed):
    net = nn.MLP([4, 5, 3], rng=seed)
    return net, RESUMED[name](net.parameters())


def train(net, optimiser, updates):
    for i in updates:
        rng = np.random.default_rng(i)
        net.zero_grad()
        nn.cross_entropy(net(rng.normal(size=(8, 4))), rng.integers(3, size=8)).backward()
        optimiser.step()


class TestState:
    @pytest.mark.parametrize("name", RESUMED)
    @pytest.mark.parametrize("stop", [0, 1, 4])
    def test_a_training_that_stopped_goes_on_with_the_same_bits(self, name, stop, tmp_path):
        whole, optimiser = begin(name, seed=0)
        train(whole, optimiser, range(8))

        net, optimiser = begin(name, seed=0)
        train(net, optimiser, range(stop))
        parts = {"net": net, "optimiser": optimiser}
        arrays = {f"{p} {k}": v for p, part in parts.items() for k, v in part.state_dict().items()}
        engine.write_arrays(tmp_path / "run.npz", arrays)
        train(net, optimiser, range(8))  # must not reach what was saved

        net, optimiser = begin(name, seed=1)
        arrays = engine.read_arrays(tmp_path / "run.npz")
        for prefix, part in {"net ": net, "optimiser ": optimiser}.items():
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            part.load_state_dict(own)
        train(net, optimiser, range(stop, 8))
        for key, value in whole.state_dict().items():
            np.testing.assert_array_equal(net.state_dict()[key], value)

    def test_names_and_dtypes(self):
        state = begin("momentum", 0)[1].state_dict()
        assert list(state) == [f"velocity {i}" for i in range(4)]
        assert [v.shape for v in state.values()] == [(4, 5), (5,), (5, 3), (3,)]
        assert {v.dtype for v in state.values()} == {np.dtype(np.float32)}
        assert begin("sgd", 0)[1].state_dict() == begin("fused", 0)[1].state_dict() == {}
        state = begin("adam", 0)[1].state_dict()
        assert list(state) == [f"{m} {i}" for m in "mv" for i in range(4)] + ["steps"]
        assert state["steps"].dtype == np.int64 and state["steps"].shape == (4,)

    def test_states_are_copies(self):
        net, optimiser = begin("adam", 0)
        state = optimiser.state_dict()
        train(net, optimiser, range(2))
        assert not any(value.any() for value in state.values())
        optimiser.load_state_dict(state)
        state["m 0"][...] = 7
        assert not any(value.any() for value in optimiser.state_dict().values())

    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            ("adam", {"m 1": None}, r"doesn't fit Adam\(lr=0\.02\): m 1 is missing"),
            ("adam", {"v 0": np.ones((5, 4))}, r"v 0 has shape \(5, 4\), not \(4, 5\)"),
            ("adam", {"v 1": ["a"] * 5}, "v 1 holds <U1, not numbers"),
            ("adam", {"steps": [1.5] * 4}, "steps holds float64, not integers"),
            ("adam", {"steps": [3, 3, -2, 3]}, "steps holds -2, and counts are not negative"),
            ("adam", {"m 4": [1.0]}, r"m 4 is no part of the state of Adam\(lr=0\.02\)"),
            ("momentum", {"velocity 3": None}, r"SGD\(lr=0\.1, momentum=0\.9\): velocity 3 is mis"),
            ("sgd", {"velocity 0": [1.0]}, r"velocity 0 is no part .*SGD\(lr=0\.1, momentum=0\.0"),
        ],
    )
    def test_a_wrong_state_changes_nothing(self, name, change, message):
        net, optimiser = begin(name, 0)
        train(net, optimiser, range(2))
        before = optimiser.state_dict()
        state = {key: value + 1 for key, value in before.items()} | change
        with pytest.raises(ValueError, match=message):
            optimiser.load_state_dict({k: v for k, v in state.items() if v is not None})
        for key, value in optimiser.state_dict().items():
            np.testing.assert_array_equal(value, before[key])
