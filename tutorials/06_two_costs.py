# %% [markdown]
# # 6 · Two costs
#
# **Question.** A net is sure of its answer, and wrong. How strongly does the cost tell it so?
#
# Glorot & Bengio trained the same nets with two costs (*cost* is their word for the loss) and
# found that one of them, the quadratic cost, has *plateaus*: regions where the cost is high and
# its gradient close to nothing, so that training stands still (2010, section 4.1). The reason is
# one line of the chain rule, at the very top of the net. We derive it, see it in a single output,
# in a surface like that of their figure 5, and in a net that has to change its mind.
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
# $$p_k = \frac{e^{o_k}}{\sum_j e^{o_j}}.$$
#
# The two costs of an example are
#
# $$L_\text{cross-entropy} = -\ln p_\text{right}$$
#
# $$L_\text{quadratic} = \sum_k (p_k - y_k)^2.$$
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
# where $\delta_{jk}$ is 1 for j = k and 0 otherwise. Cross-entropy depends on the right class's p
# alone, and for that j, $\delta_{jk}$ is $y_k$. The slope of −ln p, $-1/p_\text{right}$, cancels
# the factor $p_j$:
#
# $$\frac{\partial L}{\partial o_k}
# = -\frac{1}{p_\text{right}}\, p_\text{right}\,(y_k - p_k) = p_k - y_k.$$
#
# What arrives is the error itself. The quadratic cost's slope, $2(p_j - y_j)$, cancels nothing:
# the p remain as factors. (Its formula is the first exercise.)
#
# `engine.grad(f)` makes of a function f another one, with the same arguments, that computes the
# derivative with respect to the first of them:

# %%
costs = {"cross-entropy": nn.cross_entropy, "quadratic": nn.quadratic}
print("p − y          ", (p - y).round(4)[0])
for name, cost in costs.items():
    print(f"{name:<14} ", engine.grad(cost)(o, right).numpy().round(4)[0])
assert np.allclose(engine.grad(nn.cross_entropy)(o, right).numpy(), p - y)

# %% [markdown]
# ## Surely wrong
#
# Two classes are enough to see what that means. Let d be the right class's output minus the other
# one's. Then p = 1 / (1 + e⁻ᵈ), the sigmoid of d, is the probability of the right class, and its
# slope is p(1 − p). The costs are −ln p and (p − 1)² + (1 − p)² = 2(1 − p)². So
#
# $$\frac{\partial L_\text{cross-entropy}}{\partial d} = -(1 - p),$$
#
# $$\frac{\partial L_\text{quadratic}}{\partial d} = -4\,p\,(1 - p)^2.$$
#
# Far to the left, where the net is sure and wrong, p goes to 0. The first slope goes to −1, and
# the second goes to 0 with p.

# %%
d = np.linspace(-10, 6, 321)
p_right = 1 / (1 + np.exp(-d))
cost_of_d = {"cross-entropy": -np.log(p_right), "quadratic": 2 * (1 - p_right) ** 2}
slope_of_d = {"cross-entropy": -(1 - p_right), "quadratic": -4 * p_right * (1 - p_right) ** 2}
for name, slope in slope_of_d.items():
    print(f"{name:<14} slope at d = −10: {slope[0]:.6f}   largest: {abs(slope).max():.3f}")

# %% [markdown]
# The engine's slopes, from a batch with a row for each d: the right output is d, the other 0. The
# batch's cost is a mean, so the slope of a row comes out divided by the number of rows.

# %%
rows = np.column_stack([d, np.zeros_like(d)])
class_0 = np.zeros(len(d), int)  # is the right one in every row
for name, cost in costs.items():
    by_engine = len(d) * engine.grad(cost)(rows, class_0).numpy()[:, 0]
    print(f"{name:<14} largest difference {abs(by_engine - slope_of_d[name]).max():.0e}")
    assert np.allclose(by_engine, slope_of_d[name])

# %%
figure, (left_axes, right_axes) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for (name, values), colour in zip(cost_of_d.items(), ("black", "tab:red"), strict=True):
    left_axes.plot(d, values, color=colour, label=name)
    right_axes.plot(d, -slope_of_d[name], color=colour)
left_axes.set(xlabel="d, the right output minus the other", title="cost")
right_axes.set(xlabel="d, the right output minus the other", title="slope, −∂L/∂d")
left_axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The quadratic cost is steepest where the net is undecided, and flat at *both* ends. At the right
# end that is as it should be: nothing is left to learn. At the left end it is the plateau.
#
# ## How long it takes
#
# A plateau costs time. Take gradient steps from some d < 0 until the answer has turned, d ≥ 0:


# %%
def updates(cost, d, lr=1.0):
    count = 0
    while d < 0:
        dL_do = engine.grad(cost)(np.array([[d, 0.0]]), [0]).numpy()
        d -= lr * dL_do[0, 0]
        count += 1
    return count


print("    d   cross-entropy   quadratic")
table = [(d, updates(nn.cross_entropy, d), updates(nn.quadratic, d)) for d in (-2, -4, -6, -8)]
for row in table:
    print("{:>5}   {:>13}   {:>9}".format(*row))

# %% [markdown]
# Each step to the left costs cross-entropy the same few updates more, and the quadratic cost a
# *factor*: the slope falls like eᵈ, and so the time grows like e⁻ᵈ. From −6 to −8:

# %%
(_, cross_6, quadratic_6), (_, cross_8, quadratic_8) = table[-2:]
print(f"cross-entropy  {cross_8 - cross_6} updates more")
print(f"quadratic      {quadratic_8 / quadratic_6:.1f} times as many, and e² = {np.exp(2):.1f}")
assert cross_8 - cross_6 <= 3
assert 0.9 * np.exp(2) < quadratic_8 / quadratic_6 < np.exp(2)

# %% [markdown]
# ## A surface
#
# In their figure 5, Glorot & Bengio draw both costs of a net with one hidden layer over two of
# its weights, one from each layer, for random inputs and targets. We do the same: u is added to a
# weight of the hidden layer and v to one of the output's; all others stay as they were drawn.

# %%
one = np.zeros((3, 3))
one[0, 0] = 1  # where u and v are added


def drawn_net(cost, seed):
    """A net and its data, drawn at random: the cost as a function of u and v."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    W_1, W_2 = rng.normal(size=(2, 3, 3))

    def loss(u, v):
        hidden = engine.tanh(engine.matmul(x, W_1 + u * one))
        return cost(engine.matmul(hidden, W_2 + v * one), labels)

    return loss


for name, cost in costs.items():
    print(f"{name:<14} as drawn: {drawn_net(cost, seed=0)(0.0, 0.0).item():.3f}")

# %% [markdown]
# `value_and_grad(f)` is like `grad(f)`, and returns f's value too; `(0, 1)` asks for the
# derivatives with respect to both arguments.

# %%
side = np.linspace(-8, 8, 25)


def surface(loss):
    """The cost, and the length of its gradient (∂L/∂u, ∂L/∂v), over a square."""
    both = engine.value_and_grad(loss, (0, 1))
    points = [both(u, v) for u in side for v in side]
    values = [value.item() for value, _ in points]
    slopes = [np.hypot(in_u.item(), in_v.item()) for _, (in_u, in_v) in points]
    return np.reshape(values, (25, 25)), np.reshape(slopes, (25, 25))


surfaces = {name: surface(drawn_net(cost, seed=0)) for name, cost in costs.items()}
for name, (values, slopes) in surfaces.items():
    print(f"{name:<14} cost {values.min():.2f} … {values.max():.2f}, slope to {slopes.max():.3f}")

# %%
figure = plt.figure(figsize=(10, 4.4), layout="constrained")
for i, (name, (values, _)) in enumerate(surfaces.items()):
    axes = figure.add_subplot(1, 2, i + 1, projection="3d")
    axes.plot_surface(*np.meshgrid(side, side, indexing="ij"), values, cmap="viridis")
    axes.set(xlabel="u, in the hidden layer", ylabel="v, in the output", title=name)
    axes.set(xticks=[-8, -4, 0, 4, 8], yticks=[-8, -4, 0, 4, 8])
plt.show()

# %% [markdown]
# Both have steep and flat parts. A flat part is a plateau only if it is *high*: at the bottom of a
# valley the slope is small as well, and that is where training should end. So we count the points
# with a slope below 5 % of the largest **and** a cost in the upper half of its range. Seen from
# above, with a dot at each of them:


# %%
def plateau(values, slopes):
    """Which points are flat and high."""
    return (slopes < 0.05 * slopes.max()) & (values > (values.min() + values.max()) / 2)


figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for (name, found), axes in zip(surfaces.items(), panels, strict=True):
    drawn = axes.contourf(side, side, found[0].T, levels=20)
    figure.colorbar(drawn, ax=axes, label="cost")
    axes.scatter(*side[np.argwhere(plateau(*found)).T], s=9, color="tab:red")
    axes.set(xlabel="u", ylabel="v", title=f"{name}: {plateau(*found).sum()} points of 625")
plt.show()

# %% [markdown]
# One draw of weights is one surface; take several:

# %%
draws = 8
share = np.zeros((draws, 2))
for seed in range(draws):
    for i, cost in enumerate(costs.values()):
        share[seed, i] = plateau(*surface(drawn_net(cost, seed))).mean()
for i, name in enumerate(costs):
    print(f"{name:<14} flat and high: {share[:, i].mean():.1%} of the points")
more = (share[:, 1] > share[:, 0]).sum()
print(f"more with the quadratic cost in {more} of {draws} draws")
assert share[:, 0].max() < 0.01 < share[:, 1].mean()

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
plt.figure(figsize=(4, 3), layout="constrained")
for group in range(3):
    plt.plot(*x[labels == group].T, ".", label=f"group {group}")
plt.legend(frameon=False)
plt.show()


# %%
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
p_sure = engine.softmax(net(x)).numpy().max(axis=1)
print(f"right: {first[-1]:.1%}   median probability of its answers: {np.median(p_sure):.5f}")

# %% [markdown]
# The two costs have different scales, so a learning rate that suits one may not suit the other.
# Each gets four, and is judged by its best. (`inf`: it is not there after 600 updates.)


# %%
def turned(shares):
    """The first update at which 95 % are right, infinite if it never is so."""
    return min(np.flatnonzero(shares > 0.95), default=np.inf)


sure, exchanged = net.state_dict(), np.array([1, 0, 2])[labels]
rates, curves, answers = (0.1, 0.3, 1.0, 3.0), {}, {}
for name, cost in costs.items():
    for lr in rates:
        net.load_state_dict(sure)
        curves[name, lr] = train(net, exchanged, cost, lr, updates=600)
        answers[name, lr] = net(x).numpy().argmax(axis=1)
        print(f"{name:<14} lr {lr:<4} 95 % right after {turned(curves[name, lr]):>3} updates")

# %%
best = {name: min(turned(curves[name, lr]) for lr in rates) for name in costs}
print(f"at the best rate: cross-entropy {best['cross-entropy']}, quadratic {best['quadratic']}")
assert best["quadratic"] > 5 * best["cross-entropy"]

figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for name, axes in zip(costs, panels, strict=True):
    for lr in rates:
        axes.semilogx(np.arange(1, 601), curves[name, lr], label=f"lr {lr}")
    axes.set(xlabel="update after the exchange", title=name)
panels[0].set_ylabel("share of right answers")
panels[1].legend(frameon=False, loc="upper left")
plt.show()

# %% [markdown]
# The quadratic cost's curves stand still twice, at a third and at two thirds of right answers. Each
# of the two exchanged groups is a plateau of its own: with a learning rate of 0.3 the net has
# learned one of them after 600 updates, and still gives the old answer for the other.

# %%
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
# **2. A cross-entropy that survives.** Logits and labels as before, and the mean over the examples
# again. But an example may be o = (0, 1000): e¹⁰⁰⁰ is infinite, and the p of class 0 comes out as
# 0, whereas −ln p is 1000, an ordinary number. Compute the cost so that it comes out. (What happens
# to an example's p if the same number is taken from all of its o?)


# %%
def safe_cross_entropy(o, labels):
    return ...  # a number


check.safe_cross_entropy(safe_cross_entropy)

# %% [markdown]
# **3. The length of a plateau.** Predict the last column of the table under "How long it takes",
# without the loop: how many updates does the quadratic cost need from a d of −6 or less, with
# learning rate lr? Within 15 % is right; nearer to 0 no short formula is so good. (Far to the left
# p is very nearly eᵈ. How fast does e⁻ᵈ change?)


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
