"""Memory used again: never while somebody looks at it, and never to be noticed in a result."""

import copy
import gc
import os
import pickle
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import nn
from engine.kernels.compiled import buffers

FLOAT = np.dtype(np.float32)
LARGE = (buffers._WORTH_KEEPING // 4,)  # entries of float32: the smallest array that is kept


@pytest.fixture(autouse=True)
def own_buffers(monkeypatch):
    """The test's own stock, empty at first; the session's stays as it was."""
    gc.collect()  # or what earlier tests left would come back into it
    monkeypatch.setattr(buffers, "_idle", {})
    monkeypatch.setattr(buffers, "_idle_bytes", 0)


def address(array):
    return array.__array_interface__["data"][0]


def idle():
    return [buffer for stock in buffers._idle.values() for buffer in stock]


@pytest.mark.parametrize("shape", [(300, 700), (1, 200_000), (64, 50, 40), LARGE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_like_any_other(shape, dtype):
    for _ in range(2):  # a new one, and one used again
        a = buffers.empty(shape, np.dtype(dtype))
        assert type(a) is np.ndarray
        assert (a.shape, a.dtype) == (shape, dtype)
        assert a.flags.c_contiguous and a.flags.writeable and a.flags.aligned
        assert address(a) % 64 == 0
        a[...] = 1
        assert a.sum() == a.size
        del a
    assert len(idle()) == 1


def test_memory_comes_back_with_the_array_and_is_used_again():
    a = buffers.empty(LARGE, FLOAT)
    first = address(a)
    b = buffers.empty(LARGE, FLOAT)
    assert not np.shares_memory(a, b)
    del a
    assert len(idle()) == 1
    c = buffers.empty((LARGE[0] // 4, 4), FLOAT)
    assert address(c) == first
    assert idle() == []
    assert not np.shares_memory(b, c)


VIEWS = {
    "a slice": lambda a: a[5:],
    "a view of a slice": lambda a: a[1:][1:].view(),
    "an entry's place": lambda a: a[7:8],
    "the transpose": lambda a: a.reshape(-1, 4).T,
    "other numbers": lambda a: a.view(np.int32),
    "a subclass": lambda a: a.view(np.recarray),
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "a memoryview": memoryview,
    "frombuffer": lambda a: np.frombuffer(a, np.uint8),
    "what it looks through": lambda a: a.base,
    "a view of that": lambda a: a.base[3:],
    "a tensor": lambda a: engine.Tensor._wrap(a),
    "a tensor's array": lambda a: engine.Tensor._wrap(a).numpy(),
    "DLPack": lambda a: np.from_dlpack(a),
    "an iterator": lambda a: a.flat,
}


@pytest.mark.parametrize("name", VIEWS)
def test_any_view_keeps_the_memory(name):
    a = buffers.empty(LARGE, FLOAT)
    a[...] = 3
    view = VIEWS[name](a)
    del a
    gc.collect()
    assert idle() == []
    other = buffers.empty(LARGE, FLOAT)
    other[...] = 4
    values = view.numpy() if isinstance(view, engine.Tensor) else np.asarray(view)
    if values.dtype == FLOAT:
        assert (values == 3).all()
    del view, values
    gc.collect()
    assert len(idle()) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_no_two_live_arrays_share_memory(steps):
    """Each live array is full of a number of its own, which nobody else may change."""
    live, a = {}, None
    for number, (slot, kind) in enumerate(steps):
        if kind == 0:
            live.pop(slot, None)
        elif kind == 1 and slot in live:
            a, content = live[slot]
            live[slot] = a[1:], content  # a view in the array's place
        else:
            live.pop(slot, None)
            a = buffers.empty((LARGE[0] + (kind == 3),), FLOAT)
            a[...] = number
            live[slot] = a, number
        a = None
        assert all((b == content).all() for b, content in live.values())


@pytest.mark.parametrize("shape", [(), (0,), (3, 4), (0, 10**6), (LARGE[0] - 1,)])
def test_small_arrays_are_numpys_own(shape):
    a = buffers.empty(shape, FLOAT)
    assert a.shape == shape
    assert a.flags.owndata
    del a
    assert idle() == []


def test_what_is_kept_for_nobody_is_limited(monkeypatch):
    monkeypatch.setattr(buffers, "_MOST_IDLE", 3 * (4 * LARGE[0] + 64))
    held = [buffers.empty(LARGE, FLOAT) for _ in range(5)]
    held.clear()
    assert len(idle()) == 3
    assert buffers._idle_bytes == sum(map(len, idle()))
    again = [buffers.empty(LARGE, FLOAT) for _ in range(2)]
    assert (len(idle()), buffers._idle_bytes) == (1, len(idle()[0]))
    again.append(buffers.empty((LARGE[0], 2), FLOAT))  # a size that nobody gave back
    again.clear()
    assert buffers._idle_bytes == sum(map(len, idle())) <= buffers._MOST_IDLE


def test_copies_are_the_receivers_own():
    a = buffers.empty(LARGE, FLOAT)
    a[...] = 5
    copies = [a.copy(), copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a)), a + 0]
    assert not any(np.shares_memory(one, a) for one in copies)
    a[...] = 6
    del a
    assert len(idle()) == 1
    buffers.empty(LARGE, FLOAT)[...] = 7
    assert {type(one) for one in copies} == {np.ndarray}
    assert all((one == 5).all() for one in copies)


def test_an_array_can_be_weakly_referred_to():
    a = buffers.empty(LARGE, FLOAT)
    reference = weakref.ref(a)
    assert reference() is a
    del a
    assert reference() is None


def test_python_threads_share_the_stock():
    failures = []

    def work(number):
        for i in range(300):
            a = buffers.empty((LARGE[0] + i % 3,), FLOAT)
            a[...] = number
            b = a[1:]
            del a
            if not (b == number).all():
                failures.append((number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert buffers._idle_bytes == sum(map(len, idle()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_memory_of_its_own(run_program):
    out = run_program(
        "import os, numpy as np\n"
        "from engine.kernels.compiled import buffers\n"
        "float32 = np.dtype(np.float32)\n"
        "a, b = buffers.empty((100, 200), float32), buffers.empty((100, 200), float32)\n"
        "a[...] = 1; del b\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    a[...] = 2; c = buffers.empty((100, 200), float32); c[...] = 3\n"
        "    os._exit(0 if (a == 2).all() and (c == 3).all() else 9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (a == 1).all())"
    )
    assert out == ["0", "True"]


def test_arrays_that_live_until_the_end_of_the_program_end_quietly(run_program):
    out = run_program(
        "import sys, numpy as np\n"
        "from engine.kernels.compiled import buffers\n"
        "class Ring: pass\n"
        "a, ring = buffers.empty((100, 200), np.dtype(np.float32)), Ring()\n"
        "ring.itself, ring.array = ring, a[1:]\n"
        "buffers.a = a\n"
        "sys.stderr = sys.stdout\n"  # where "Exception ignored in" would be printed
    )
    assert out == []


# --- a training loop -----------------------------------------------------------------------------


def train(steps, fused=False, activation="tanh"):
    rng = np.random.default_rng(0)
    net = nn.MLP([70, 90, 90, 10], activation=activation, rng=0)
    optimizer = nn.SGD(net.parameters(), lr=0.05, fused=fused)
    losses = []
    for _ in range(steps):
        x, labels = rng.normal(size=(200, 70)).astype(np.float32), rng.integers(0, 10, 200)
        loss = nn.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.numpy().tobytes() for p in net.parameters()]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "identity"])
@pytest.mark.parametrize("worth_keeping", [buffers._WORTH_KEEPING, 1])
def test_what_memory_held_before_is_never_seen(monkeypatch, fused, activation, worth_keeping):
    expected = train(4, fused, activation)
    give_back, spoilt = buffers._give_back, []

    def spoil(buffer):
        np.frombuffer(buffer, np.uint8)[:] = 255  # NaN in every float
        spoilt.append(len(buffer))
        give_back(buffer)

    monkeypatch.setattr(buffers, "_give_back", spoil)
    monkeypatch.setattr(buffers, "_WORTH_KEEPING", worth_keeping)
    assert train(4, fused, activation) == expected
    assert spoilt


def test_a_training_loop_keeps_no_more_buffers_than_a_few_steps_need():
    train(3)
    few = len(idle())
    assert 0 < few <= 20
    train(30)
    assert len(idle()) == few
    assert buffers._idle_bytes == sum(map(len, idle()))


# --- references that a user keeps ----------------------------------------------------------------


@pytest.fixture
def spoiled(monkeypatch):
    """Memory that comes back is filled with NaN at once; the sizes of what came back."""
    give_back, sizes = buffers._give_back, []

    def spoil(buffer):
        np.frombuffer(buffer, np.uint8)[:] = 255
        sizes.append(len(buffer))
        give_back(buffer)

    monkeypatch.setattr(buffers, "_give_back", spoil)
    monkeypatch.setattr(buffers, "_WORTH_KEEPING", 1)  # every array of a kernel
    return sizes


def steps(n, seed=0, fused=False):
    """A generator of training steps: after each, what a user could look at."""
    rng = np.random.default_rng(seed)
    net = nn.MLP([30, 40, 40, 5], activation="tanh", rng=seed)
    optimizer = nn.SGD(net.parameters(), lr=0.05, fused=fused)
    for _ in range(n):
        x, labels = rng.normal(size=(20, 30)).astype(np.float32), rng.integers(0, 5, 20)
        hidden = net.layers[0](x)
        hidden.retain_grad()
        y = net.layers[2](net.layers[1](hidden))
        loss = nn.cross_entropy(y, labels)
        yield net, hidden, y, loss  # suspended between forward and backward
        optimizer.zero_grad()
        loss.backward()
        yield net, hidden, y, loss
        optimizer.step()


def looks(net, hidden, y, loss):
    """Everything that a user may take hold of, with what it shows now."""
    W = net.parameters()[0]
    taken = {
        "a result": y.numpy(),
        "a slice of a view": hidden.numpy()[3:7, ::2],
        "the transpose's row": y.T.numpy()[1],
        "asarray": np.asarray(y.detach()),
        "a memoryview": memoryview(hidden.numpy()),
        "an entry's place": y.numpy()[4:5, 2],
        "a tensor of the same memory": hidden.detach(),
        "a reshaped tensor": hidden.reshape(-1).detach(),
        "the loss": loss.numpy(),
    }
    if hidden.has_grad:
        taken |= {
            "a gradient": W.grad,
            "a view of a gradient": W.grad.numpy()[2],
            "a gradient's transpose": W.grad.T,
            "an intermediate gradient": hidden.grad,
        }
    return [
        (name, thing, np.array(thing.numpy() if isinstance(thing, engine.Tensor) else thing))
        for name, thing in taken.items()
    ]


@pytest.mark.parametrize("fused", [False, True])
def test_what_a_user_holds_stays_as_it_was(spoiled, fused):
    held = []
    for at in steps(4, fused=fused):
        held += looks(*at)
        del at
    gc.collect()
    assert len(held) == 4 * (9 + 13)
    for name, thing, then in held:
        now = thing.numpy() if isinstance(thing, engine.Tensor) else np.asarray(thing)
        assert np.isfinite(then).all(), name
        np.testing.assert_array_equal(now, then, err_msg=name)
    before = len(spoiled)
    held.clear()
    del thing, then, now
    gc.collect()
    assert len(spoiled) > before  # it was their being held that kept the memory


def end_of(steps):
    """The parameters after all the steps."""
    *_, (net, *_) = steps
    return [p.numpy().tobytes() for p in net.parameters()]


def test_generators_suspended_in_the_middle_of_a_pass(spoiled):
    expected = [end_of(steps(3, seed)) for seed in (1, 2)]
    nets = []
    for at, other in zip(steps(3, 1), steps(3, 2), strict=True):  # in turn, half a step each
        end_of(steps(1, 3))
        nets = [at[0], other[0]]
    assert [[p.numpy().tobytes() for p in net.parameters()] for net in nets] == expected
    assert spoiled


def test_a_generator_that_is_thrown_away_gives_its_memory_back(spoiled):
    suspended = steps(1)
    at = next(suspended)
    before = len(spoiled)
    del suspended, at
    gc.collect()
    assert len(spoiled) > before


def test_threads_that_train_at_once_keep_to_their_own_memory(spoiled):
    expected = [end_of(steps(8, seed)) for seed in range(3)]
    results, wrong = {}, []

    def work(seed):
        held = []
        for at in steps(8, seed):
            held = looks(*at)  # those of the step before are let go meanwhile
            wrong.extend(
                name
                for name, thing, then in held
                if isinstance(thing, np.ndarray) and not np.array_equal(thing, then)
            )
        results[seed] = [p.numpy().tobytes() for p in at[0].parameters()]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [results[seed] for seed in range(3)] == expected


class BrokenError(Exception):
    pass


@engine.custom_vjp
def breaks(x):
    return x.copy()


@breaks.vjp
def breaks(g, y, x):
    raise BrokenError


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_exception_in_the_middle_of_a_pass(spoiled, where):
    expected = end_of(steps(4, 5))
    caught, held = [], []
    ours = steps(4, 5)
    for at in ours:
        net, hidden, y, loss = at
        held += looks(*at)
        try:
            if where == "forward":
                net.layers[1](hidden) @ np.ones((3, 3), np.float32)
            else:
                (breaks(net.layers[1](hidden)) * 2).sum().backward()
        except (engine.ShapeError, BrokenError) as error:
            caught.append(error)  # with its frames, and the arrays in them
    assert len(caught) == 8
    assert [p.numpy().tobytes() for p in net.parameters()] == expected
    for name, thing, then in held:
        now = thing.numpy() if isinstance(thing, engine.Tensor) else np.asarray(thing)
        np.testing.assert_array_equal(now, then, err_msg=name)
    before = len(spoiled)
    del at, net, hidden, y, loss, held, thing, then, now
    caught.clear()
    gc.collect()
    assert len(spoiled) > before
