"""`Trace.as_data`: what JSON can hold, with the numbers of the rows."""

import json

import numpy as np
import pytest

from engine import GraphError, Tensor, cross_entropy, dense, place, tanh, trace
from engine.tracing.show.schema import VERSION

RNG = np.random.default_rng(0)


def variable(*shape, name=None):
    return Tensor(RNG.normal(size=shape) / 3, requires_grad=True, name=name)


def recurrent(keep="arrays", first=1.0):
    W, U, V = variable(5, 6, name="W"), variable(6, 6, name="U"), variable(6, 3, name="V")
    h = Tensor(np.zeros((4, 6)))
    with trace(keep) as t:
        for step in range(3):
            with place("cell", step):
                h = tanh(first * RNG.normal(size=(4, 5)) @ W + h @ U)
        with place("output"):
            y = dense(h, V)
        cross_entropy(y, np.arange(4) % 3).backward()
    return t


@pytest.mark.parametrize("keep", ["arrays", "stats"])
def test_it_goes_through_json(keep):
    t = recurrent(keep)
    data = t.as_data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["version"], data["keep"], data["title"]) == (VERSION, keep, str(t).splitlines()[0])
    assert [v["name"] for v in data["variables"]] == ["W", "U", "V"]
    first, _, last, output = data["layers"]
    assert (last["name"], last["step"], last["label"]) == ("cell", 2, "cell [2]")
    assert last["fan_in"] == [5, 6] and last["feeds"] == [1] and first["feeds"] == []
    assert last["weights"] == [{"variable": 0}, {"variable": 1}]
    assert output["weights"] == [{"variable": 2}] and output["f"] == "identity"
    for layer, row in zip(data["layers"], t.layers, strict=True):
        for name in ("x", "s", "dL_ds", "dL_dW"):
            assert layer["statistics"][name]["rms"] == row.statistics(name).rms
        members = [data["operations"][i] for i in layer["operations"]]
        assert {operation["place"] for operation in members} == {row.name}
    assert last["factor"] == pytest.approx(
        t[2].statistics("dL_ds").rms / t[3].statistics("dL_ds").rms
    )
    assert data["estimate"]["dL_ds"][-1] == 1
    assert data["operations"][-1]["number"] == t.nodes[-1].number
    assert first["statistics"]["dL_dx"] is None


def test_what_is_not_finite_is_null():
    data = recurrent(first=np.nan).as_data()
    json.dumps(data, allow_nan=False)
    assert data["layers"][0]["statistics"]["s"]["mean"] is None
    assert "of x are NaN or infinite" in data["layers"][0]["problem"]
    assert data["operations"][-1]["number"] is None


def test_an_empty_trace_is_refused():
    with pytest.warns(UserWarning, match="nothing was recorded"), trace() as t:
        Tensor([1.0]) + 1
    with pytest.raises(GraphError, match="nothing was recorded"):
        t.as_data()
