"""A signal that comes while something is started has its effect after it."""

import os
import signal
import subprocess
import sys

import pytest

from experiments.lab.signals import signals_held


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_comes_after_the_block_and_once(number):
    came, done = [], []
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        for n in before:
            signal.signal(n, lambda number, _: came.append(number))
        with signals_held():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            done.append(list(came))
        assert (done, came) == ([[]], [number])
        os.kill(os.getpid(), number)
        assert came == [number] * 2
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals with masks")
def test_what_is_started_within_never_gets_a_ctrl_c():
    program = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with signals_held():
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.communicate()[0] == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
