"""`train`: what is trained on what, and that it is the same every time."""

import json
import pickle
from dataclasses import asdict, replace

import numba
import numpy as np
import pytest

import engine
import nn
from experiments.data import DataError, load
from experiments.lab.activations import stream
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.results import plain
from experiments.lab.training import Training, error_rate, train

TINY = Training(
    "tanh", "xavier_uniform", depth=2, width=8, n_train=50, n_test=30, updates=20, probe=10,
    every=5, batch=4, lr=0.1, n_valid=20,
)  # fmt: skip


def arrays(trained):
    """All numbers of a result, by name."""
    found = {f"net {name}": value for name, value in trained.net.state_dict().items()}
    found |= {"losses": trained.losses}
    found |= {"errors": np.array([trained.test_error, trained.valid_error])}
    if trained.recorder is not None:
        state = trained.recorder.state_dict()
        found |= {f"recorder {name}": value for name, value in state.items()}
    return found


def assert_same(one, other):
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype and value.tobytes() == other[name].tobytes(), name


@pytest.fixture(scope="module")
def trained():
    return train(TINY)


def test_it_is_plain_sgd_on_cross_entropy(trained):
    """The same, written down once more: unfused, with the batches as they are documented."""
    data = load("shapeset", n_train=70, n_test=30, seed=0)
    net = nn.MLP([1024, 8, 8, 9], "tanh", "xavier_uniform", rng=np.random.default_rng([0, 0]))
    order = np.concatenate([np.random.default_rng([0, 1, e]).permutation(50) for e in range(2)])
    losses = []
    for chosen in order[:80].reshape(20, 4):
        loss = nn.cross_entropy(net(data.x_train[chosen]), data.y_train[chosen])
        net.zero_grad()
        loss.backward()
        for parameter in net.parameters():
            parameter.move(parameter.grad, -0.1)
        losses.append(loss.item())
    np.testing.assert_allclose(trained.losses, losses, rtol=1e-4)
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(trained.net.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    x, y = data.x_test, data.y_test
    with engine.no_grad():
        guess = trained.net(x).numpy().argmax(axis=1)
        valid = trained.net(data.x_train[50:]).numpy().argmax(axis=1)
    assert trained.test_error == np.mean(guess != y)
    assert trained.valid_error == np.mean(valid != data.y_train[50:])


def test_records_from_the_first_update_to_the_end(trained):
    assert trained.recorder.updates == [0, 5, 10, 15, 20]
    start = nn.MLP([1024, 8, 8, 9], "tanh", "xavier_uniform", rng=np.random.default_rng([0, 0]))
    for net, at in ((start, 0), (trained.net, -1)):
        std = trained.recorder.series("layer 2", "W", "std")[1][at]
        assert std == pytest.approx(net.layers[1].W.numpy().std(), rel=1e-5)
    x = load("shapeset", n_train=1, n_test=30, seed=0).x_test[:10]
    with engine.no_grad():
        x_next = trained.net.layers[0](x).numpy()
    rms = trained.recorder.series("layer 1", "x_next", "rms")[1][-1]
    assert rms == pytest.approx(np.sqrt(np.mean(x_next**2)), rel=1e-5)


def test_the_same_bits_again_whatever_looks_on(trained):
    assert_same(train(TINY), trained)
    unseen = train(replace(TINY, every=0))
    assert unseen.recorder is None
    assert unseen.losses.tobytes() == trained.losses.tobytes()


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core")
def test_the_same_bits_with_two_threads_and_numba_is_left_as_it_was():
    wide = replace(TINY, width=1000, batch=40, updates=2)  # large enough for threads
    assert_same(train(replace(wide, threads=2)), train(wide))
    assert numba.get_num_threads() == 1  # as the tests have it
    numba.set_num_threads(2)
    try:
        train(TINY)
        assert numba.get_num_threads() == 2
    finally:
        numba.set_num_threads(1)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"lr": 0.2}, {"batch": 5}, {"init": "standard"}, {"n_train": 40}, {"n_train": 0}],
)
def test_settings_reach_the_training(trained, change):
    assert not np.array_equal(train(replace(TINY, **change)).losses[1:], trained.losses[1:])


def test_ever_new_images():
    t = replace(TINY, n_train=0, updates=30)
    x, y = load("shapeset", n_train=20 + 30 * 4, n_test=1, seed=0).x_train[20:], None
    y = load("shapeset", n_train=20 + 30 * 4, n_test=1, seed=0).y_train[20:]
    found = train(t)
    net = nn.MLP([1024, 8, 8, 9], "tanh", "xavier_uniform", rng=np.random.default_rng([0, 0]))
    with engine.no_grad():
        assert found.losses[0] == pytest.approx(nn.cross_entropy(net(x[:4]), y[:4]).item())
        valid = load("shapeset", n_train=20, n_test=1, seed=0)
        assert found.valid_error == error_rate(found.net, valid.x_train, valid.y_train)


def test_the_top_bias_can_stay_zero(trained):
    frozen = train(replace(TINY, freeze_top_bias=True))
    assert not frozen.net.layers[-1].b.numpy().any()
    assert all(layer.b.numpy().all() for layer in frozen.net.layers[:-1])
    assert trained.net.layers[-1].b.numpy().all()


def test_progress_is_an_update_a_step():
    class Adding(Silent):
        steps = 0

        def step(self, what, steps=1):
            assert what == "tanh xavier_uniform 2×8, seed 0"
            self.steps += steps

    progress = Adding()
    train(TINY, progress)
    assert progress.steps == 20


def test_a_net_that_diverges_is_left_alone():
    t = replace(TINY, activation="relu", lr=1e30, updates=10_000, every=2000)
    found = train(t)
    nans = np.isnan(found.losses)
    assert nans[10:].all() and np.isfinite(found.losses[0])
    assert found.recorder.updates == [0, 2000, 4000, 6000, 8000, 10_000]
    assert found.test_error == 1  # it names no class


def test_no_updates_at_all():
    found = train(replace(TINY, updates=0))
    assert found.losses.shape == (0,) and found.recorder.updates == [0]


def test_it_goes_to_another_process_and_into_a_file(trained):
    assert pickle.loads(pickle.dumps(TINY)) == TINY
    assert_same(pickle.loads(pickle.dumps(trained)), trained)
    assert json.loads(json.dumps(plain(asdict(TINY))))["lr"] == 0.1


def test_what_the_bits_depend_on():
    for change in ({"threads": 2}, {"data_dir": TINY_FOLDER}):
        assert replace(TINY, **change).identity == TINY.identity
    for change in ({"seed": 1}, {"every": 6}, {"freeze_top_bias": True}, {"updates": 21}):
        assert replace(TINY, **change).identity != TINY.identity


TINY_FOLDER = "somewhere"


def test_what_an_activation_of_a_file_depends_on(tmp_path):
    """Its formula and its parameters; what else was defined doesn't matter."""
    identities, streams = [], []
    for i, default in enumerate((1.0, 2.0)):
        path = tmp_path / str(i) / "mine.py"
        path.parent.mkdir()
        path.write_text(
            "from engine import activation\n"
            f"@activation\ndef own_line(s, a={default}):\n    return a * s\n"
        )
        identity = json.loads(replace(TINY, activation=f"{path}:own_line").identity)
        identities.append({k: v for k, v in identity.items() if k != "activation"})
        streams.append(stream("mine.py:own_line"))
        engine.activation(title=f"one more {i}")(lambda s: 1.5 * s)
    for name in ("own_line", "one more 0", "one more 1"):
        engine.ACTIVATIONS.pop(name)
    assert identities[0] != identities[1]
    assert streams[0] == streams[1]
    assert stream("tanh") == list(engine.ACTIVATIONS).index("tanh")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"width": 10**6}, "width must be at most 20000"),
        ({"lr": float("nan")}, "lr must be positive and finite"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"activation": "tan"}, "--activation: no activation is named 'tan'; the names are"),
        ({"init": "xavier"}, "init 'xavier' is unknown; there are zeros"),
        ({"data": "mnist", "n_train": 0}, "mnist has a limited number"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_settings_that_cannot_be(change, said):
    with pytest.raises(SettingsError, match=said):
        replace(TINY, **change)


def test_data_and_threads_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="lacks"):
        train(replace(TINY, data="mnist", data_dir=tmp_path))
    with pytest.raises(SettingsError, match=r"threads must be at most \d+ here, got 1000"):
        train(replace(TINY, threads=1000))
