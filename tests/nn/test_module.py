"""Modules: a tree of parts, the names and places in it, and its state."""

import copy
import pickle

import numpy as np
import pytest

import engine
import nn
from engine import ShapeError, Tensor, read_arrays
from nn import MLP, SGD, Dense, Module, Sequential

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def variable(*shape):
    return Tensor(np.ones(shape, np.float32), requires_grad=True)


class ActorCritic(Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.actor = MLP([3, 4, 2], rng=rng)
        self.critic = MLP([3, 4, 1], rng=rng)

    def forward(self, x):
        return self.actor(x), self.critic(x)


class Residual(Module):
    """x + f(x W) g, in any number of blocks; g is a vector, and `mean` a constant."""

    def __init__(self, n_blocks=2, seed=0):
        self.gains = variable(3)
        self.blocks = [Dense(3, 3, "tanh", rng=seed + i) for i in range(n_blocks)]
        self.heads = {"left": Dense(3, 1, rng=8), "right": (Dense(3, 1, rng=9, name="end"),)}
        self.mean = Tensor(np.zeros(3, np.float32))
        self.n_calls, self.scale = 0, np.ones(3)

    def forward(self, x):
        x = x - self.mean
        for block in self.blocks:
            x = x + block(x) * self.gains
        return self.heads["left"](x) + self.heads["right"][0](x)


def names(module):
    return [name for name, _ in module.named_parameters()]


def layer_names(net, x=X):
    with engine.trace() as t:
        y = net(x)
        sum(part.sum() for part in (y if isinstance(y, tuple) else (y,))).backward()
    return [row.name for row in t.layers]


MLP_NAMES = ["layer 1.W", "layer 1.b", "output.W", "output.b"]


class TestNames:
    def test_an_actor_beside_a_critic(self):
        net = ActorCritic()
        expected = [f"{part}.{name}" for part in ("actor", "critic") for name in MLP_NAMES]
        assert names(net) == expected
        assert [p.name for p in net.parameters()] == expected
        assert layer_names(net) == [
            *("actor / layer 1", "actor / output", "critic / layer 1", "critic / output")
        ]
        with pytest.raises(ShapeError, match="in critic / layer 1"):
            net.critic(X[:, :2])

    def test_lists_tuples_and_dicts_in_the_order_of_assignment(self):
        net = Residual()
        assert names(net) == [
            *("gains", "blocks.0.W", "blocks.0.b", "blocks.1.W", "blocks.1.b"),
            *("heads.left.W", "heads.left.b", "end.W", "end.b"),
        ]
        assert [label for label, _ in net.children()] == [
            *("blocks.0", "blocks.1", "heads.left", "end")
        ]
        assert layer_names(net) == ["blocks.0", "blocks.1", "heads.left", "end"]

    @pytest.mark.parametrize("ask", [lambda net: net(X), lambda net: net.parameters(), repr])
    def test_the_first_use_names_every_parameter(self, ask):
        net = ActorCritic()
        ask(net)
        assert net.critic.layers[0].W.name == "critic.layer 1.W"

    def test_chains_in_chains(self):
        net = Sequential(MLP([3, 4, 3], rng=0), MLP([3, 2], rng=1))
        assert names(net) == [
            *("layer 1.layer 1.W", "layer 1.layer 1.b", "layer 1.output.W", "layer 1.output.b"),
            *("layer 2.output.W", "layer 2.output.b"),
        ]
        assert layer_names(net) == ["layer 1 / layer 1", "layer 1 / output", "layer 2 / output"]
        rng = np.random.default_rng(0)
        net = Sequential(Sequential(Dense(3, 3, rng=rng), Dense(3, 3, rng=rng)), Dense(3, 1))
        assert names(net)[::2] == ["layer 1.layer 1.W", "layer 1.layer 2.W", "layer 2.W"]
        assert [p.name for p in net.parameters()] == names(net)

    def test_a_part_keeps_its_path_when_it_is_used_alone(self):
        net = ActorCritic()
        net.parameters()
        assert names(net.actor) == MLP_NAMES
        assert names(net.actor.layers[0]) == MLP_NAMES[:2]
        net.actor(X)
        assert [p.name for p in net.actor.parameters()] == [f"actor.{name}" for name in MLP_NAMES]

    def test_a_name_chosen_by_the_user_stays(self):
        net = Residual()
        net.blocks[1].rename("second")
        assert names(net)[3:5] == ["second.W", "second.b"]
        net.heads["left"].rename("first")
        assert layer_names(net) == ["blocks.0", "second", "first", "end"]
        assert net.heads["left"].W.name == "first.W"
        net = ActorCritic()
        net.parameters()
        net.actor.layers[0].rename("below")
        assert net.actor.layers[0].W.name == "actor.below.W"

    def test_a_part_that_is_replaced_has_its_label_at_the_next_call(self):
        net = ActorCritic()
        net(X)
        net.actor = Dense(3, 2, rng=5)
        net.critic.layers[1].b = variable(1)
        assert layer_names(net) == ["actor", "critic / layer 1", "critic / output"]
        assert names(net)[:2] == ["actor.W", "actor.b"]
        assert net.actor.W.name == "actor.W" and net.critic.layers[1].b.name == "critic.output.b"

    def test_a_part_that_is_appended_counts_at_once(self):
        net = Residual(1)
        net(X)
        net.blocks.append(Dense(3, 3, rng=7))
        assert len(net.parameters()) == 9
        assert names(net)[3:5] == ["blocks.1.W", "blocks.1.b"]
        assert layer_names(net)[1] == "blocks.1"

    def test_two_parts_of_one_name_are_refused(self, tmp_path):
        net = ActorCritic()
        net.actor, net.critic = (Dense(3, 1, rng=i, name="same") for i in range(2))
        with pytest.raises(ValueError, match=r"ActorCritic: parameters 1 .* named 'same\.W'"):
            net.save(tmp_path / "net.npz")


class TestTree:
    def test_a_layer_used_twice_is_one_set_of_parameters(self):
        shared = Dense(3, 3, "tanh", rng=0)
        net = Residual(1)
        net.blocks += [shared, shared]
        net.again = shared
        assert names(net)[3:5] == ["blocks.1.W", "blocks.1.b"]
        assert len(net.parameters()) == len(names(net)) == 9 == len(net.state_dict()) - 1
        assert layer_names(net)[:3] == ["blocks.0", "blocks.1", "blocks.1"]
        chain = Sequential(shared, engine.tanh, shared)
        assert names(chain) == ["layer 1.W", "layer 1.b"] and len(chain.parameters()) == 2

    def test_a_weight_of_two_layers(self):
        net = Residual()
        net.blocks[1].W = net.blocks[0].W
        assert names(net)[1:4] == ["blocks.0.W", "blocks.0.b", "blocks.1.b"]
        SGD(net.parameters(), lr=0.1)

    def test_buffers_are_constants_and_no_arrays_or_results(self):
        net = Residual()
        net.last = net.gains * 2.0
        assert [name for name, _ in net.named_buffers()] == ["mean"]
        assert "mean" not in names(net) and len(net.parameters()) == 9
        whole = Sequential(net, Dense(1, 1, rng=0))
        assert [name for name, _ in whole.named_buffers()] == ["layer 1.mean"]

    def test_a_part_may_know_its_container(self):
        net = ActorCritic()
        net.actor.container = net.container = net
        assert len(net.parameters()) == len(names(net)) == 8
        part = Residual(1)
        part.container = part
        assert len(part.parameters()) == len(names(part)) == len(part.parameters()) == 7
        assert not part.eval().training

    def test_train_and_eval(self):
        net = Sequential(Residual(), MLP([1, 2], rng=0))
        assert net.training and net.layers[0].blocks[0].training
        assert net.eval() is net
        parts = [net, *net.layers, *net.layers[0].blocks, net.layers[0].heads["right"][0]]
        assert not any(part.training for part in parts)
        assert net.train() is net and all(part.training for part in parts)

    def test_zero_grad(self):
        net = Residual()
        net(X).sum().backward()
        assert all(p.has_grad for p in net.parameters())
        net.zero_grad()
        assert not any(p.has_grad for p in net.parameters())

    def test_a_module_without_forward(self):
        class Empty(Module):
            pass

        assert Empty().parameters() == [] and repr(Empty()) == "Empty()"
        with pytest.raises(NotImplementedError, match=r"Empty has no forward; write def forward"):
            Empty()(X)

    def test_several_arguments_and_keywords(self):
        class Sum(Module):
            def forward(self, a, b, *, times=1):
                return (a + b) * times

        assert Sum()(1, 2, times=3) == 9

    def test_repr(self):
        assert repr(ActorCritic()).splitlines()[:4] == [
            "ActorCritic(",
            "  actor: MLP(",
            "    layer 1: Dense(3, 4, tanh, xavier_uniform)",
            "    output: Dense(4, 2, identity, xavier_uniform)",
        ]


class TestState:
    def test_round_trip_through_a_file(self, tmp_path):
        first, second = Residual(seed=0), Residual(seed=5)
        first.mean.assign([1.0, 2.0, 3.0])
        assert (first(X).numpy() != second(X).numpy()).any()
        first.save(tmp_path / "net.npz")
        second.load(tmp_path / "net.npz")
        np.testing.assert_array_equal(first(X).numpy(), second(X).numpy())
        np.testing.assert_array_equal(second.mean.numpy(), [1, 2, 3])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"mean": None}, "mean is missing"),
            ({"mean": np.ones(4)}, r"mean has shape \(4,\), not \(3,\)"),
            ({"blocks.0.W": ["a"] * 3}, r"blocks\.0\.W has shape"),
            ({"gains": ["a"] * 3}, "gains holds <U1, not numbers"),
            ({"blocks.2.W": np.ones(3)}, r"blocks\.2\.W is not a parameter of this net"),
        ],
    )
    def test_a_wrong_state_changes_nothing(self, change, message):
        net = Residual()
        before = net.state_dict()
        state = {name: value + 1 for name, value in before.items()} | change
        with pytest.raises(ValueError, match=f"this state doesn't fit the net: .*{message}"):
            net.load_state_dict({name: v for name, v in state.items() if v is not None})
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, before[name])

    def test_names_in_files_are_those_of_before(self, tmp_path):
        MLP([3, 4, 2], rng=0).save(tmp_path / "net.npz")
        assert list(read_arrays(tmp_path / "net.npz")) == MLP_NAMES
        net = ActorCritic()
        net.parameters()
        net.actor.load(tmp_path / "net.npz")
        with pytest.raises(ValueError, match=r"actor\.layer 1\.W is missing; .*layer 1\.W is not"):
            net.load(tmp_path / "net.npz")

    @pytest.mark.parametrize(
        "again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "file"]
    )
    @pytest.mark.parametrize("used", [False, True])
    def test_copies_keep_names_places_and_values(self, again, used):
        net = ActorCritic()
        if used:
            net.eval()(X)
        other = again(net)
        assert names(other) == names(net) and layer_names(other) == layer_names(net)
        assert other.training == net.training != used
        assert all(p is not q for p, q in zip(net.parameters(), other.parameters(), strict=True))
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[name], value)


class Old(nn.Layer):
    """A layer as it was written before modules: its names are final."""

    def __init__(self, name):
        self.inner, self.constant = Dense(3, 3, rng=0, name=name), Tensor(np.ones(3))

    def __call__(self, x):
        return self.inner(x)

    def named_parameters(self):
        yield from self.inner.named_parameters()


class TestOldLayers:
    def test_in_a_chain_they_keep_their_names(self):
        net = Sequential(Old("a"), Dense(3, 3, rng=1), Old("c"))
        expected = ["a.W", "a.b", "layer 2.W", "layer 2.b", "c.W", "c.b"]
        assert names(net) == list(net.state_dict()) == expected
        assert [p.name for p in net.parameters()] == expected
        assert layer_names(net) == ["a", "layer 2", "c"]

    def test_two_of_one_name_are_refused(self):
        with pytest.raises(ValueError, match=r"two parameters are named a\.W, a\.b"):
            Sequential(Old("a"), Old("a"))

    def test_a_module_may_choose_its_parameters(self):
        class Frozen(ActorCritic):
            def named_parameters(self):
                named = super().named_parameters()
                return ((name, p) for name, p in named if name.startswith("actor"))

        net = Sequential(Frozen())
        assert names(net) == [f"layer 1.actor.{name}" for name in MLP_NAMES]
        assert len(net.parameters()) == len(net.layers[0].parameters()) == 4
