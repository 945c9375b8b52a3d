"""The patients of tutorial 10 have what they are said to have, and its checks know it."""

import check
import numpy as np
import pytest

import nn
from engine import trace

KIND = {"A": "saturation", "B": "dead units", "C": "exploding gradient"}
# In A the gradient ends at the saturated layer, so that is found as well.
ALSO = {"A": ["vanishing gradient"], "B": [], "C": []}
LAYER = {"A": "layer 1", "B": "layer 3", "C": "layer 1"}


def examine(net, x, y):
    with trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t


def patient_check(name):
    return getattr(check, f"patient_{name.lower()}")


@pytest.mark.parametrize("name", KIND)
def test_a_patient_has_its_ailment_and_is_the_same_each_time(name):
    net, x, y = check.patient(name)
    again, x_again, y_again = check.patient(name)
    assert [f.kind for f in examine(net, x, y).diagnose()] == [KIND[name], *ALSO[name]]
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
        assert verdict.reason.startswith(f"were it {kind}, ")
        assert KIND[name] not in verdict.reason
    other = patient_check(name)((KIND[name], "layer 5"))
    assert not other
    assert "nearer to the input" in other.reason
    for answer, reason in (
        ((KIND[name], "layer 50"), "there is no 'layer 50'"),
        (("a cold", "layer 1"), "none of the ailments"),
        ((..., ...), "replace the ..."),
        (KIND[name], "give two things"),
        ((KIND[name],), "give two things"),
    ):
        verdict = patient_check(name)(answer)
        assert not verdict
        assert reason in verdict.reason


@pytest.mark.parametrize("name", KIND)
def test_what_speaks_against_symmetric_weights_is_this_nets_number(name):
    net, _, _ = check.patient(name)
    apart = min(np.ptp(layer.W.numpy(), axis=1).max() for layer in net.layers)
    reason = patient_check(name)(("symmetric weights", "layer 1")).reason
    assert f"as much as {apart:.2g} apart" in reason


def treated(name):
    net, x, y = check.patient(name)
    if name == "A":
        x = x / 127.5 - 1
    elif name == "B":
        net.layers[2].b.assign(np.zeros(64, np.float32))
    else:
        net = nn.MLP(net.sizes, "relu", "kaiming_normal", rng=0)
    return examine(net, x, y)


@pytest.mark.parametrize("name", KIND)
def test_each_can_be_mended(name):
    assert treated(name).diagnose().healthy
