# %% [markdown]
# # 6 · Two costs
#
# **Question.** A net is sure of its answer, and wrong. How strongly does the cost tell it so?
#
# Glorot & Bengio trained the same nets with two costs and found that one of them, the quadratic
# cost, has *plateaus*: regions where the cost is high and its gradient close to nothing, so that
# training stands still (2010, section 4.1). The reason is one line of the chain rule, at the very
# top of the net. We derive it, see it in a single unit, in a surface like that of their figure 5,
# and in a net that has to change its mind.
#
# *25 minutes to read, some ten seconds to run. It follows tutorials 2 (a layer's gradient) and 5
# (training).*

# %%
import check
import matplotlib.pyplot as plt
import numpy as np

import engine
import nn
from engine import Tensor

# %% [markdown]
# ## From outputs to probabilities
#
# The last layer's outputs o, one for each class, can be any numbers; they are called *logits*.
# **Softmax** makes them probabilities, and y is the right answer in the same form, 1 for the
# right class and 0 for the others:
#
# $$p_k = \frac{e^{o_k}}{\sum_j e^{o_j}}, \qquad
# L_\text{cross-entropy} = -\ln p_\text{right}, \qquad
# L_\text{quadratic} = \sum_k (p_k - y_k)^2.$$
#
# Over a batch, both are means over the examples.

# %%
o = np.array([[2.0, -1.0, 0.5]])
right = np.array([1])
p = np.exp(o) / np.exp(o).sum()
y = np.eye(3)[right]
print("p =", p.round(4)[0], "  y =", y[0])
by_hand = -np.log(p[0, 1]), ((p - y) ** 2).sum()
by_engine = nn.cross_entropy(Tensor(o), right).item(), nn.quadratic(Tensor(o), right).item()
for name, a, b in zip(("cross-entropy", "quadratic"), by_hand, by_engine, strict=True):
    print(f"{name:<14} {a:.6f}   the engine's {b:.6f}")
    assert abs(a - b) < 1e-12

# %% [markdown]
# ## What arrives at the outputs
#
# The backward pass begins with ∂L/∂o. Every $o_k$ stands in the sum below the fraction, so it
# moves every $p_j$:
#
# $$\frac{\partial p_j}{\partial o_k} = p_j\,(\delta_{jk} - p_k),$$
#
# where $\delta_{jk}$ is 1 for j = k and 0 otherwise. Cross-entropy depends on one of the p only,
# and the slope of its logarithm, $1/p_\text{right}$, cancels the factor $p_j$:
#
# $$\frac{\partial L}{\partial o_k}
# = -\frac{1}{p_\text{right}}\, p_\text{right}\,(y_k - p_k) = p_k - y_k.$$
#
# What arrives is the error itself. The quadratic cost's slope, $2(p_j - y_j)$, cancels nothing:
# the p remain as factors. (Its formula is the first exercise.)
#
# `engine.grad(f)` makes of a function f the function that computes ∂f/∂x:

# %%
print("p − y          ", (p - y).round(4)[0])
for cost in (nn.cross_entropy, nn.quadratic):
    dL_do = engine.grad(lambda z, cost=cost: cost(z, right))(o).numpy()
    print(f"{cost.__name__:<14}", dL_do.round(4)[0])
    if cost is nn.cross_entropy:
        assert np.allclose(dL_do, p - y)

# %% [markdown]
# ## Surely wrong
#
# Two classes are enough to see what that means. Let d be the right class's output minus the other
# one's. Then p = 1 / (1 + e⁻ᵈ) is the probability of the right class, and the two slopes are
#
# $$\frac{\partial L_\text{cross-entropy}}{\partial d} = -(1 - p), \qquad
# \frac{\partial L_\text{quadratic}}{\partial d} = -4\,p\,(1 - p)^2.$$
#
# Far to the left, where the net is sure and wrong, p goes to 0. The first slope goes to −1, and
# the second goes to 0 with p.

# %%
d = np.linspace(-10, 6, 321)
logits = np.column_stack([d, np.zeros_like(d)])
zeros = np.zeros(len(d), int)  # class 0 is right in every row
p_right = 1 / (1 + np.exp(-d))
cost_of_d = {
    "cross-entropy": -np.log(p_right),
    "quadratic": 2 * (1 - p_right) ** 2,
}
slope_of_d = {
    # The engine's costs are means over the rows; times their number gives each row's own slope.
    name: len(d) * engine.grad(lambda z, cost=cost: cost(z, zeros))(logits).numpy()[:, 0]
    for name, cost in (("cross-entropy", nn.cross_entropy), ("quadratic", nn.quadratic))
}
assert np.allclose(slope_of_d["cross-entropy"], -(1 - p_right))
assert np.allclose(slope_of_d["quadratic"], -4 * p_right * (1 - p_right) ** 2)
for name, slope in slope_of_d.items():
    print(f"{name:<14} slope at d = −10: {slope[0]:.6f}   largest: {abs(slope).max():.3f}")

# %%
figure, (left, middle) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for (name, cost), colour in zip(cost_of_d.items(), ("black", "tab:red"), strict=True):
    left.plot(d, cost, color=colour, label=name)
    middle.plot(d, -slope_of_d[name], color=colour, label=name)
left.set(xlabel="d, the right output minus the other", title="cost")
middle.set(xlabel="d, the right output minus the other", title="slope, −∂L/∂d")
left.legend(frameon=False)
plt.show()

# %% [markdown]
# The quadratic cost is steepest where the net is undecided, and flat at *both* ends. At the right
# end that is as it should be: nothing is left to learn. At the left end it is the plateau.
#
# ## How long it takes
#
# A plateau costs time. Take gradient steps from d = −2, −4, −6 until the answer has turned:


# %%
def updates(cost, d, lr=1.0):
    count = 0
    while d < 0:
        dL_do = engine.grad(lambda z: cost(z, [0]))(np.array([[d, 0.0]])).numpy()
        d -= lr * dL_do[0, 0]
        count += 1
    return count


table = [(d, updates(nn.cross_entropy, d), updates(nn.quadratic, d)) for d in (-2, -4, -6, -8)]
print("    d   cross-entropy   quadratic")
for row in table:
    print("{:>5}   {:>13}   {:>9}".format(*row))
more = table[-1][1] - table[-2][1]
times = table[-1][2] / table[-2][2]
print(f"from −6 to −8: {more} updates more, and {times:.1f} times as many; e² = {np.exp(2):.1f}")
assert more <= 3
assert 0.9 * np.exp(2) < times < np.exp(2)

# %% [markdown]
# Each step to the left costs cross-entropy the same few updates more, and the quadratic cost a
# *factor*: the slope falls like eᵈ, and so the time grows like e⁻ᵈ.
#
# ## A surface
#
# In their figure 5, Glorot & Bengio draw both costs of a net with one hidden layer over two of
# its weights, one from each layer, for random inputs and targets. We do the same: both weights
# move over a square, all others stay as they were drawn. (`value_and_grad(f)` is like `grad(f)`,
# and returns f's value too.)

# %%
side = np.linspace(-8, 8, 25)


def surface(cost, seed):
    """The cost, and the length of its gradient in the two weights, over the square."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
    W_1, W_2 = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    corner_1, corner_2 = (np.zeros_like(W) for W in (W_1, W_2))
    corner_1[0, 0] = corner_2[0, 0] = 1

    def loss(u, v):
        hidden = engine.dense(x, W_1 + u * corner_1, None, engine.tanh)
        return cost(engine.dense(hidden, W_2 + v * corner_2), labels)

    both = engine.value_and_grad(loss, (0, 1))
    points = [both(u, v) for u in side for v in side]
    values = np.array([value.item() for value, _ in points])
    slopes = np.array([np.hypot(g_u.item(), g_v.item()) for _, (g_u, g_v) in points])
    return values.reshape(len(side), -1), slopes.reshape(len(side), -1)


costs = {"cross-entropy": nn.cross_entropy, "quadratic": nn.quadratic}
surfaces = {name: surface(cost, seed=0) for name, cost in costs.items()}
for name, (values, slopes) in surfaces.items():
    print(f"{name:<14} cost {values.min():.2f} … {values.max():.2f}, slope to {slopes.max():.3f}")

# %%
figure = plt.figure(figsize=(10, 4.4), layout="constrained")
for i, (name, (values, _)) in enumerate(surfaces.items()):
    axes = figure.add_subplot(1, 2, i + 1, projection="3d")
    axes.plot_surface(*np.meshgrid(side, side, indexing="ij"), values, cmap="viridis")
    axes.set(xlabel="weight of layer 1", ylabel="weight of the output", title=name)
    axes.set(xticks=[-8, -4, 0, 4, 8], yticks=[-8, -4, 0, 4, 8])
plt.show()

# %% [markdown]
# Both have steep and flat parts. A flat part is a plateau only if it is *high*: at the bottom of a
# valley the slope is small as well, and that is where training should end. So we count the points
# with a slope below 5 % of the largest **and** a cost in the upper half of its range, and beside
# them the flat points of any height. One draw of weights is one surface; we take several.

# %%
draws = 8
shares = {"flat and high": np.zeros((draws, 2)), "flat": np.zeros((draws, 2))}
for seed in range(draws):
    for i, cost in enumerate(costs.values()):
        values, slopes = surface(cost, seed)
        flat = slopes < 0.05 * slopes.max()
        high = values > (values.min() + values.max()) / 2
        shares["flat and high"][seed, i] = (flat & high).mean()
        shares["flat"][seed, i] = flat.mean()
for what, share in shares.items():
    mean, more = share.mean(axis=0), (share[:, 1] > share[:, 0]).sum()
    print(
        f"{what:<14} cross-entropy {mean[0]:.1%}, quadratic {mean[1]:.1%}; "
        f"more with the quadratic cost in {more} of {draws} draws"
    )
assert shares["flat and high"][:, 0].max() < 0.01 < shares["flat and high"][:, 1].mean()

# %% [markdown]
# Where cross-entropy is flat it is low. The quadratic cost is flat at heights too, where answers
# are surely wrong and, as above, hardly told so.
#
# ## A net that has to change its mind
#
# Now a whole net. It learns three groups of points, until it is sure; then two of the groups
# exchange their labels. It is now sure and wrong about two thirds of the points, and we train it
# on from there, with either cost.

# %%
rng = np.random.default_rng(0)
labels = np.arange(300) % 3
centres = np.array([[0.0, 2.0], [1.7, -1.0], [-1.7, -1.0]])
x = centres[labels] + 0.5 * rng.normal(size=(300, 2))


def train(net, labels, cost, lr, updates):
    """The share of right answers before each update of plain gradient descent."""
    optimiser, shares = nn.SGD(net.parameters(), lr), []
    for _ in range(updates):
        out = net(x)
        shares.append((out.numpy().argmax(axis=1) == labels).mean())
        net.zero_grad()
        cost(out, labels).backward()
        optimiser.step()
    return np.array(shares)


net = nn.MLP([2, 16, 16, 3], "tanh", rng=1)
first = train(net, labels, nn.cross_entropy, lr=1.0, updates=400)
sure = net.state_dict()
p_sure = engine.softmax(net(x)).numpy().max(axis=1)
print(f"right: {first[-1]:.1%}   median probability of its answers: {np.median(p_sure):.5f}")

# %% [markdown]
# The two costs have different scales, so a learning rate that suits one may not suit the other.
# Each gets several, and is judged by its best.

# %%
exchanged = np.array([1, 0, 2])[labels]
curves, answers = {}, {}
for name, cost in costs.items():
    for lr in (0.1, 0.3, 1.0, 3.0):
        net.load_state_dict(sure)
        curves[name, lr] = train(net, exchanged, cost, lr, updates=600)
        answers[name, lr] = net(x).numpy().argmax(axis=1)
turned = {key: int((c > 0.95).argmax()) if (c > 0.95).any() else 600 for key, c in curves.items()}
best = {name: min(n for (k, _), n in turned.items() if k == name) for name in costs}
for (name, lr), n in turned.items():
    print(f"{name:<14} lr {lr:<4} 95 % right after {n if n < 600 else 'more than 600'} updates")
assert best["quadratic"] > 5 * best["cross-entropy"]

# %%
plt.figure(figsize=(7, 3.4), layout="constrained")
for (name, lr), curve in curves.items():
    colour = "black" if name == "cross-entropy" else "tab:red"
    update = np.arange(1, len(curve) + 1)
    plt.semilogx(update, curve, color=colour, lw=0.5 + lr**0.5, label=name if lr == 0.3 else None)
plt.xlabel("update after the exchange (thicker: larger learning rate)")
plt.ylabel("right answers")
plt.legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# The quadratic cost's curves stand still twice, at a third and at two thirds of right answers. Each
# of the two exchanged groups is a plateau of its own: with a learning rate of 0.3 the net has
# learned one of them after 600 updates, and still gives the old answer for the other.

# %%
print("updates at the best of four learning rates:", best)
right_now = answers["quadratic", 0.3] == exchanged
by_group = [right_now[labels == group].mean() for group in range(3)]
for group, share in enumerate(by_group):
    print(f"group {group}, now labelled {[1, 0, 2][group]}: {share:.0%} right")
assert sorted(np.round(by_group)) == [0, 1, 1]

# %% [markdown]
# ## Exercises
#
# Replace each `...` by your answer. The check says what is wrong, and does not give the answer
# away. Solutions are at the end of the file.
#
# **1. The quadratic cost's ∂L/∂o**, for any number of classes, from logits of shape (N, K) and
# the N right classes; the cost is the mean over the N examples. (Every $o_k$ moves every $p_j$:
# add over j.)


# %%
def quadratic_slope(o, labels):
    return ...  # an array of o's shape


check.quadratic_slope(quadratic_slope)

# %% [markdown]
# **2. A cross-entropy that survives.** With o = (0, 1000), e¹⁰⁰⁰ is infinite and the p of class 0
# is 0. But −ln p is 1000 for class 0, an ordinary number. Compute the cost so that it comes out.
# (What happens to p if the same number is taken from all of o?)


# %%
def safe_cross_entropy(o, labels):
    return ...  # a number


check.safe_cross_entropy(safe_cross_entropy)

# %% [markdown]
# **3. The length of a plateau.** Predict the last column of the table under "How long it takes",
# without the loop: how many updates does the quadratic cost need from d < 0, with learning rate
# lr? Within 15 % is right. (Far to the left p is very nearly eᵈ. How fast does e⁻ᵈ change?)


# %%
def updates_to_turn(d, lr):
    return ...  # a number


check.updates_to_turn(updates_to_turn)

# %% [markdown]
# ## What we have
#
# - Cross-entropy: ∂L/∂o = p − y. A wrong answer is told so in full, however sure it was.
# - The quadratic cost keeps factors of p, so where the net is surely wrong its gradient vanishes
#   before it has gone through a single layer.
# - A plateau is flat *and* high. What counts as flat, and as high, is to be said before counting.
#
# Next, in tutorial 7: a gradient that starts well must still get down through the layers. What
# should the weights be, for that?
#
# ## Solutions


# %%
def quadratic_slope_solution(o, labels):
    p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
    off = p - np.eye(o.shape[1])[labels]
    # Σ_j 2 (p_j − y_j) p_j (δ_jk − p_k)
    return 2 / len(o) * p * (off - (off * p).sum(axis=1, keepdims=True))


assert check.quadratic_slope(quadratic_slope_solution)


# %%
def safe_cross_entropy_solution(o, labels):
    o = o - o.max(axis=1, keepdims=True)  # p stays the same, and no exponential is above 1
    log_p = o - np.log(np.exp(o).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(o)), labels].mean()


assert check.safe_cross_entropy(safe_cross_entropy_solution)

# %% [markdown]
# 3. An update changes d by lr · 4p(1 − p)², about 4 lr eᵈ, so it changes e⁻ᵈ by about −4 lr. From
# e⁻ᵈ to 1 that takes e⁻ᵈ / (4 lr) updates.


# %%
def updates_to_turn_solution(d, lr):
    return np.exp(-d) / (4 * lr)


assert check.updates_to_turn(updates_to_turn_solution)
for d, _, measured in table:
    print(f"d = {d}: predicted {updates_to_turn_solution(d, 1.0):5.0f}, measured {measured}")
