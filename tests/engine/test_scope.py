"""Blocks: generators that pause inside them, decorators, threads, tasks."""

import asyncio
import gc
import itertools
import threading

import numpy as np
import pytest

import engine
from engine import GraphError, NonFiniteError, Tensor, detect_nonfinite, no_grad, place, trace
from engine.core.context import recording, state

W = Tensor([2.0, 3.0], requires_grad=True)


def records():
    return (W * W).requires_grad


def settings():
    return state.recording, state.place, state.watching, state.trace, state.blocks


AT_REST = (True, "", False, None, None)


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    yield
    assert settings() == AT_REST


def paused(block):
    with block:
        yield
        yield


BLOCKS = {
    "no_grad": lambda: (no_grad(), no_grad()),
    "two kinds": lambda: (no_grad(), detect_nonfinite(), place("a"), recording(True)),
    "places": lambda: (place("a"), place("b"), place("c")),
    "one object": lambda: (place("a"), *[no_grad()] * 2, place("b")),
    "with a trace": lambda: (trace(), no_grad(), place("a")),
}


@pytest.mark.filterwarnings("ignore:trace")
@pytest.mark.parametrize("name", BLOCKS)
def test_generators_may_be_closed_in_any_order(name):
    n = len(BLOCKS[name]())
    for order in itertools.permutations(range(n)):
        generators = [paused(block) for block in BLOCKS[name]()]
        for generator in generators:
            next(generator)
        assert settings() != AT_REST
        for i in order:
            generators[i].close()
        assert settings() == AT_REST, order


def test_a_block_that_ends_leaves_the_others_open():
    first, second = paused(no_grad()), paused(recording(True))
    next(first), next(second)
    assert records()
    second.close()
    assert not records()
    second = paused(recording(True))
    next(second)
    first.close()
    assert records()
    second.close()

    outer, inner = paused(place("net")), paused(place("layer 1"))
    next(outer), next(inner)
    with place("a"):
        assert state.place == "net / layer 1 / a"
        outer.close()
        assert state.place == "layer 1 / a"
    assert state.place == "layer 1"
    inner.close()


@pytest.mark.filterwarnings("ignore:trace")
@pytest.mark.parametrize("name", BLOCKS)
def test_a_generator_may_be_closed_in_another_thread(name):
    generators = [paused(block) for block in BLOCKS[name]()]
    for generator in generators:
        next(generator)
    seen = []

    def close():
        with place("elsewhere"):
            for generator in generators:
                generator.close()
            seen.append(state.place)
        seen.append(settings())

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert seen == ["elsewhere", AT_REST]
    assert settings() == AT_REST
    with trace() as t:
        engine.dense(np.ones((2, 2)), W.reshape(2, 1)).sum().backward()
    assert len(t) == 1


def test_a_generator_of_a_thread_that_is_gone():
    generators = []

    def begin():
        generators.append(paused(no_grad()))
        next(generators[0])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    gc.collect()
    generators.pop().close()
    assert records()


def test_an_error_leaves_what_was_before():
    for block in (no_grad(), place("a"), detect_nonfinite()):
        with pytest.raises(KeyError), block, block:
            raise KeyError
        assert settings() == AT_REST


# --- decorators -----------------------------------------------------------------------------------


def test_a_decorated_function():
    @no_grad()
    def f(x, *, by=1.0):
        """The docstring."""
        assert not records()
        return x * by

    assert f(W, by=3.0).numpy().tolist() == [6.0, 9.0]
    assert not f(W).requires_grad
    assert (f.__name__, f.__doc__) == ("f", "The docstring.")
    assert records()
    with pytest.raises(ZeroDivisionError):
        no_grad()(lambda: 1 / 0)()

    @no_grad
    def bare(x):
        return x * 2.0

    assert not bare(W).requires_grad
    assert bare.__name__ == "bare"
    assert records()
    with pytest.raises(TypeError, match="decorates functions, not int"):
        no_grad(3)


def test_a_decorated_function_may_call_itself_and_run_in_threads():
    seen = []

    @place("level")
    def deep(n):
        seen.append(state.place)
        if n:
            deep(n - 1)
        seen.append(state.place)

    deep(2)
    nested = ["level", "level / level", "level / level / level"]
    assert seen == nested + nested[::-1]

    barrier, failures = threading.Barrier(4), []

    @no_grad()
    def together(n):
        barrier.wait(60)
        if records():
            failures.append(n)
        barrier.wait(60)
        return together(n - 1) if n else None

    threads = [threading.Thread(target=together, args=(5,)) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures


def test_every_setting_decorates():
    @detect_nonfinite()
    @place("layer 3")
    def f(x):
        return engine.log(x)

    with pytest.raises(NonFiniteError, match="log in layer 3"):
        f(np.array([-1.0]))


def test_a_method_is_decorated():
    class Net:
        @no_grad()
        def f(self, x):
            return x * W

        @staticmethod
        @no_grad()
        def g(x):
            return x * W

    assert not Net().f(1.0).requires_grad
    assert not Net.g(1.0).requires_grad


def test_a_decorated_generator_is_in_the_block_while_its_body_runs():
    steps = []

    @no_grad()
    def count(n):
        try:
            for i in range(n):
                steps.append(records())
                try:
                    steps.append((yield i))
                except KeyError:
                    steps.append(("thrown", records()))
            return "end"
        finally:
            steps.append(("left", records()))

    generator = count(3)
    assert records() and not steps
    assert next(generator) == 0 and records()
    assert generator.send("sent") == 1 and records()
    assert generator.throw(KeyError) == 2 and records()
    with pytest.raises(StopIteration, match="end"):
        next(generator)
    assert steps == [False, "sent", False, ("thrown", False), False, None, ("left", False)]

    steps.clear()
    generator = count(3)
    next(generator)
    generator.close()
    assert steps == [False, ("left", False)]
    with pytest.raises(ValueError, match="own"):
        generator = count(3)
        next(generator)
        generator.throw(ValueError("its own"))
    assert [list(pair) for pair in zip(count(2), count(2), strict=True)] == [[0, 0], [1, 1]]


def test_a_decorated_coroutine_is_in_the_block_while_its_body_runs():
    seen = []

    @no_grad()
    async def quiet():
        for _ in range(3):
            seen.append(("quiet", records()))
            await asyncio.sleep(0)
        return 7

    async def other():
        for _ in range(3):
            seen.append(("other", records()))
            await asyncio.sleep(0)

    async def both():
        return await asyncio.gather(quiet(), other())

    assert asyncio.run(both()) == [7, None]
    assert set(seen) == {("quiet", False), ("other", True)}


def test_what_is_not_decorated():
    async def stream():
        yield 1

    for wrong, words in (
        (stream, "asynchronous generator, stream"),
        (dict, "a class, dict"),
        (3, "functions, not int"),
        (classmethod(len), "functions, not classmethod"),
    ):
        with pytest.raises(TypeError, match=words) as caught:
            no_grad()(wrong)
        assert "no_grad()" in str(caught.value)
    with pytest.raises(TypeError, match="inside the function"):
        trace()(len)
    with pytest.raises(GraphError, match="already open"), trace(), trace():
        pass
