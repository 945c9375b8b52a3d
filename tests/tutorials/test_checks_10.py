"""The patients of tutorial 10 have what they are said to have, and its checks know it."""

import check
import numpy as np
import pytest

import nn
from engine import trace

KIND = {"A": "saturation", "B": "dead units", "C": "exploding gradient"}
LAYER = {"A": "layer 1", "B": "layer 3", "C": "layer 1"}


def examine(net, x, y):
    with trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t


def patient_check(name):
    return getattr(check, f"patient_{name.lower()}")


@pytest.mark.parametrize("name", KIND)
def test_a_patient_has_one_ailment_and_is_the_same_each_time(name):
    net, x, y = check.patient(name)
    again, x_again, y_again = check.patient(name)
    assert [f.kind for f in examine(net, x, y).diagnose()] == [KIND[name]]
    assert all(
        np.array_equal(p.numpy(), q.numpy())
        for p, q in zip(net.parameters(), again.parameters(), strict=True)
    )
    assert np.array_equal(x, x_again)
    assert np.array_equal(y, y_again)


def test_there_is_no_other_patient():
    with pytest.raises(ValueError, match="no patient 'D'; there are A, B, C"):
        check.patient("D")


@pytest.mark.parametrize("name", KIND)
def test_the_right_diagnosis(name):
    assert patient_check(name)((KIND[name], LAYER[name]))


@pytest.mark.parametrize("name", KIND)
def test_wrong_diagnoses(name):
    for kind in set(check.AILMENTS) - {KIND[name]}:
        verdict = patient_check(name)((kind, LAYER[name]))
        assert not verdict
        assert verdict.reason.startswith(f"not {kind}")
        assert KIND[name] not in verdict.reason
    other = patient_check(name)((KIND[name], "layer 5"))
    assert not other
    assert "nearer to the input" in other.reason
    for answer, reason in (
        ((KIND[name], "layer 50"), "there is no 'layer 50'"),
        (("a cold", "layer 1"), "none of the ailments"),
        ((..., ...), "not written yet"),
        (KIND[name], "return 2 things"),
    ):
        verdict = patient_check(name)(answer)
        assert not verdict
        assert reason in verdict.reason


def test_a_silent_unit():
    net, x, y = check.patient("B")
    row = examine(net, x, y)["layer 3"]
    silent = set(row.dead().indices.tolist())
    reached = [k for k in silent if row.dL_dx_next[:, k].any()]
    assert check.silent_unit(reached[0])
    active = next(k for k in range(64) if k not in silent)
    for answer, reason in ((active, "of the 100 examples"), (64, "from 0 to 63"), ("7", "from 0")):
        verdict = check.silent_unit(answer)
        assert not verdict
        assert reason in verdict.reason


def mended_nets():
    net, x, y = check.patient("A")
    yield "a", examine(net, x / 127.5 - 1, y)
    net, x, y = check.patient("B")
    net.layers[2].b.assign(np.zeros(64, np.float32))
    yield "b", examine(net, x, y)
    net, x, y = check.patient("C")
    yield "c", examine(nn.MLP(net.sizes, "relu", "kaiming_normal", rng=0), x, y)


def test_the_mended():
    for name, t in mended_nets():
        assert getattr(check, f"mended_{name}")(t)


@pytest.mark.parametrize("name", KIND)
def test_what_mends_nothing(name):
    mended = getattr(check, f"mended_{name.lower()}")
    net, x, y = check.patient(name)
    with trace() as forward_only:
        net(x)
    f = "relu" if name == "A" else "tanh"
    for answer, reason in (
        (examine(net, x, y), f"still finds: {KIND[name]}"),
        (net, "give the trace"),
        (examine(net, x[:50], y[:50]), "another batch"),
        (examine(nn.MLP([1024, 9]), x, y), "another net"),
        (examine(nn.MLP(net.sizes, f), x, y), "f is another one"),
        (forward_only, "no backward pass"),
    ):
        verdict = mended(answer)
        assert not verdict
        assert reason in verdict.reason
