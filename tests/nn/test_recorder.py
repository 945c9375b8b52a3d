"""`Recorder`: what it keeps, what it leaves alone, and its files."""

import numpy as np
import pytest

from engine import QUANTITIES, GraphError, Statistics, trace
from nn import MLP, SGD, Recorder, Sequential, cross_entropy

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)), np.arange(40) % 3


def make(width=8, f="tanh"):
    return MLP([6, width, width, 3], f, rng=0)


def train(net, recorder, updates, fused=False):
    optimiser = SGD(net.parameters(), lr=0.1, fused=fused)
    for _ in range(updates):
        recorder.step()
        net.zero_grad()
        cross_entropy(net(X), Y).backward()
        optimiser.step()


@pytest.fixture(scope="module")
def trained():
    net = make()
    recorder = Recorder(net, probe=(X, Y), every=2)
    train(net, recorder, 7)
    return net, recorder


def test_a_record_holds_the_statistics_of_the_probe():
    net = make()
    recorder = Recorder(net, probe=(X, Y))
    assert recorder.step()
    with trace() as t:
        loss = cross_entropy(net(X), Y)
        loss.backward()
    assert recorder.losses == [loss.item()]
    assert recorder.layers == ("layer 1", "layer 2", "output")
    for row in t.layers:
        for quantity in QUANTITIES:
            found = row.statistics(quantity)
            for name in ("std", "rms", "p2", "p98", "zeros", "size"):
                updates, values = recorder.series(row.name, quantity, name)
                assert updates.tolist() == [0]
                if found is None:
                    assert np.isnan(values).all()
                else:
                    assert values[0] == getattr(found, name)
            if found is not None:
                _, edges, counts = recorder.histograms(row.name, quantity)
                np.testing.assert_array_equal(counts[0], found.histogram)
                np.testing.assert_array_equal(edges, Statistics.edges)
        assert recorder.series(row.name, "df_ds", "saturated")[1][0] == row.saturated()
        assert recorder.series(row.name, "df_ds", "dead")[1][0] == row.dead().share


def test_every_k_updates_and_the_net_as_it_is_then(trained):
    _, recorder = trained
    updates, rms = recorder.series("layer 2", "W", "rms")
    assert updates.tolist() == [0, 2, 4, 6] == recorder.updates
    assert len(set(rms)) == 4 and len(recorder) == 4
    assert recorder.losses == sorted(recorder.losses, reverse=True)
    np.testing.assert_array_equal(recorder.series(1, "W", "rms")[1], rms)
    np.testing.assert_array_equal(recorder.series(-2, "W", "rms")[1], rms)
    assert "4 records of 3 layers" in repr(recorder)


def test_numbers_may_be_given():
    recorder = Recorder(make(), probe=(X, Y), every=10)
    assert [recorder(n) for n in (0, 3, 10, 15, 30)] == [True, False, True, False, True]
    assert recorder.updates == [0, 10, 30]
    with pytest.raises(ValueError, match="not after 30"):
        recorder(30)


@pytest.mark.parametrize("fused", [False, True])
def test_training_is_the_same_with_and_without(fused):
    states = []
    for every in (1, 1000):
        net = make()
        train(net, Recorder(net, probe=(X, Y), every=every), 5, fused)
        states.append(net.state_dict())
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name])


def test_gradients_parameters_and_random_state_stay():
    class Noise:
        def __init__(self):
            self.rng = np.random.default_rng(5)

        def __call__(self, x):
            return x + self.rng.normal(size=x.shape).astype(np.float32)

    noise = Noise()
    net = Sequential(*make().layers[:1], noise, *make().layers[1:])
    recorder = Recorder(net, probe=(X, Y))
    before, state = net.state_dict(), str(noise.rng.bit_generator.state)
    recorder.step()
    assert all(not p.has_grad for p in net.parameters())
    cross_entropy(net(X), Y).backward()
    state = str(noise.rng.bit_generator.state)
    grads = [p.grad for p in net.parameters()]
    values = [g.numpy().copy() for g in grads]
    recorder.step()
    assert str(noise.rng.bit_generator.state) == state
    for p, g, value in zip(net.parameters(), grads, values, strict=True):
        assert p.grad is g
        np.testing.assert_array_equal(g.numpy(), value)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_the_probe_is_the_one_given_at_first():
    x = X.copy()
    recorder = Recorder(make(), probe=(x, Y))
    recorder.step()
    x[:] = 0
    recorder.step()
    assert recorder.losses[0] == recorder.losses[1]


def test_memory_does_not_grow_with_the_width():
    def bytes_of(width):
        recorder = Recorder(make(width), probe=(X, Y))
        recorder.step()
        return sum(a.nbytes for a in (*recorder._numbers, *recorder._histograms))

    assert bytes_of(8) == bytes_of(80) < 3 * 4096


def test_a_layer_used_twice_and_another_net():
    W = make(6).layers[1]
    recorder = Recorder(Sequential(W), probe=(X, X), loss=lambda y, t: (y * y).mean())
    recorder.step()
    assert recorder.layers == ("layer 2",)
    recorder._net = Sequential(lambda x: W(W(x)))
    with pytest.raises(ValueError, match=r"layer 2 \[1\].*one recorder per net"):
        recorder.step()


def test_names_that_are_not_there(trained):
    _, recorder = trained
    for names in (("layer 9", "s", "std"), (7, "s", "std"), ("layer 1", "t", "std")):
        with pytest.raises(KeyError, match=r"the (names are|net has)"):
            recorder.series(*names)
    with pytest.raises(KeyError, match="the names are mean, std"):
        recorder.series("layer 1", "s", "median")
    with pytest.raises(ValueError, match="every=0"):
        Recorder(make(), (X, Y), every=0)
    with pytest.raises(GraphError, match="already open"), trace():
        Recorder(make(), (X, Y)).step()


def test_a_second_recorder_goes_on_from_the_state_of_the_first():
    net = make()
    whole, first = (Recorder(net, (X, Y), every=2) for _ in range(2))
    for recorder in (whole, first):
        recorder(0)
        recorder(2)
    state = first.state_dict()
    second = Recorder(net, (X, Y), every=2)
    second.load_state_dict(state)
    for recorder in (whole, second):
        assert not recorder.step()  # update 3
        assert recorder.step()
    assert whole.updates == second.updates == [0, 2, 4]
    assert whole.losses == second.losses and whole.layers == second.layers
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array)
        assert second.state_dict()[name].dtype == array.dtype
    assert first.updates == [0, 2]


def test_a_state_of_no_records():
    net = make()
    recorder = Recorder(net, (X, Y))
    recorder.load_state_dict(Recorder(net, (X, Y)).state_dict())
    assert len(recorder) == 0 and recorder.step() and recorder.updates == [0]


def test_states_that_do_not_fit_leave_the_records_alone(trained):
    recorder = Recorder(make(), (X, Y), every=3)
    recorder.step()
    with pytest.raises(ValueError, match="every 2 updates, this recorder every 3"):
        recorder.load_state_dict(trained[1].state_dict())
    with pytest.raises(ValueError, match="losses is missing"):
        recorder.load_state_dict({k: v for k, v in recorder.state_dict().items() if k != "losses"})
    assert recorder.updates == [0]


# --- files ----------------------------------------------------------------------------------------


def test_saved_and_loaded(trained, tmp_path):
    _, recorder = trained
    recorder.save(tmp_path / "r.npz")
    again = Recorder.load(tmp_path / "r.npz")
    assert (again.layers, again.updates, again.losses, again.every) == (
        recorder.layers,
        recorder.updates,
        recorder.losses,
        2,
    )
    for layer in recorder.layers:
        for quantity in QUANTITIES:
            for name in ("mean", "p98", "nonfinite"):
                np.testing.assert_array_equal(
                    again.series(layer, quantity, name), recorder.series(layer, quantity, name)
                )
            for a, b in zip(
                again.histograms(layer, quantity),
                recorder.histograms(layer, quantity),
                strict=True,
            ):
                np.testing.assert_array_equal(a, b)
    with pytest.raises(RuntimeError, match="no net"):
        again(100)
    Recorder(make(), (X, Y)).save(tmp_path / "empty.npz")
    assert len(Recorder.load(tmp_path / "empty.npz")) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recorder_version": np.array(2)}, "version 2"),
        ({"numbers": np.zeros((4, 3, 2, 15))}, "numbers has shape"),
        ({"updates": np.array([0, 2, 2, 4])}, "do not increase"),
        ({"losses": np.array(["a"] * 4)}, "losses holds"),
        ({"quantities": np.array(["x"] * 11)}, "quantities"),
        ({"edges": np.zeros(81)}, "bins"),
        ({"histograms": None}, "histograms is missing"),
        ({"every": np.array(0)}, "increase"),
        ({"updates": np.zeros((2, 2), int)}, "updates has shape"),
    ],
)
def test_malformed_files_are_refused(trained, tmp_path, change, message):
    trained[1].save(tmp_path / "r.npz")
    arrays = {**np.load(tmp_path / "r.npz"), **change}
    np.savez(tmp_path / "r.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ValueError, match=rf"r\.npz: not a recorder's file: .*{message}"):
        Recorder.load(tmp_path / "r.npz")


def test_files_that_are_none(trained, tmp_path):
    with pytest.raises(FileNotFoundError):
        Recorder.load(tmp_path / "none.npz")
    trained[1].save(tmp_path / "r.npz")
    whole = (tmp_path / "r.npz").read_bytes()
    (tmp_path / "r.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="readable"):
        Recorder.load(tmp_path / "r.npz")
    trained[0].save(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="recorder_version is missing"):
        Recorder.load(tmp_path / "net.npz")


def test_a_probe_that_is_no_pair_is_refused():
    with pytest.raises(TypeError, match=r"\(examples, labels\)"):
        Recorder(MLP([3, 2], rng=0), probe=np.zeros((5, 3)))
