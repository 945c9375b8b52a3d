# %% [markdown]
# # 8 · ReLU and Kaiming
#
# **Question.** ReLU cuts off half of every signal. Half of *what*, and what must the weights do
# about it, if thirty layers are to be trained?
#
# The article follows He et al. (2015): "half of variance is chop out by the ReLU operator:
# Var(x) = ½ Var(s)". The conclusion, Var W = 2/n, is right. The sentence is not, and the
# difference would be fatal at thirty layers. We measure both.
#
# *25 minutes to read, some fifteen seconds to run. It follows tutorial 7.*

# %%
import os

import check
import matplotlib.pyplot as plt
import numpy as np

import nn
from engine import trace
from nn import theory

small = "GRADTRACE_SMALL" in os.environ  # the tests train for a shorter time
rng = np.random.default_rng(0)

# %% [markdown]
# ## Half of what?
#
# ReLU is f(s) = max(s, 0). For s distributed evenly about 0, half of the entries become 0, and
# the other half stay:

# %%
s = rng.normal(size=1_000_000)
x = np.maximum(s, 0)
print(f"E[x²]  = {np.mean(x**2):.4f}   exactly ½")
print(f"E[x]   = {x.mean():.4f}   exactly 1/√2π = {1 / np.sqrt(2 * np.pi):.4f}")
print(f"Var x  = {x.var():.4f}   exactly ½ − 1/2π = {0.5 - 1 / (2 * np.pi):.4f}")
assert abs(np.mean(x**2) - 0.5) < 0.005
assert abs(x.var() - 0.5 + 1 / (2 * np.pi)) < 0.005

# %% [markdown]
# It is the *second moment* that is halved. The variance loses more, because x is no longer centred
# on 0. Which of the two does the next layer see? Its weights have mean 0, so (tutorial 7)
# Var s = n Var W E[x²]: the second moment.

# %%
n = 1000
x = np.maximum(rng.normal(size=(300, n)), 0)
W = rng.normal(0, np.sqrt(1 / n), size=(n, n))
print(f"E[s²] of the next layer: {np.mean((x @ W) ** 2):.3f}   E[x²] {np.mean(x**2):.3f}", end="")
print(f"   Var x {x.var():.3f}")
assert abs(np.mean((x @ W) ** 2) - 0.5) < 0.03

# %% [markdown]
# So to keep the signal, ½ n Var W must be 1: **Var W = 2 / fan_in**. The factor by which the
# standard deviation is larger than 1/√n is called the *gain*; ReLU's is √2.
#
# Suppose now that someone believes with the article's sentence that the variance of x is what
# counts, and computes it rightly. They would ask for n Var W = 1/Var x instead of 1/E[x²]:

# %%
for name, kept in (("E[x²]", 0.5), ("Var x", 0.5 - 1 / (2 * np.pi))):
    grows = 0.5 / kept
    print(f"n Var W = 1/{name} = {1 / kept:.3f}:  E[s²] × {grows:.3f} in each layer,", end=" ")
    print(f"× {grows**30:.3g} in thirty")
print("theory.gain('relu') =", round(theory.gain("relu"), 6))
assert np.isclose(theory.gain("relu"), np.sqrt(2))

# %% [markdown]
# The gradient has the same half: f′(s) is 1 for half of the entries and 0 for the others, so
# E[f′²] = ½. The condition on the way back is ½ n Var W = 1 again, with fan_out for n.
#
# ## Thirty layers
#
# Xavier's variance at equal widths is 1/n, so it loses half of the mean square in each layer, up
# and down. He et al. compare it with 2/n in thirty layers. Here are both, and a third net with
# 1/Var x:

# %%
depth, width = 30, 100
inputs = rng.normal(size=(200, width))
labels = rng.integers(0, 10, len(inputs))
inits = {
    "Xavier": nn.init.xavier_normal(),
    "Kaiming": nn.init.kaiming_normal(),
    "1 / Var x": nn.init.kaiming_normal(gain=np.sqrt(1 / (0.5 - 1 / (2 * np.pi)))),
}
for name, init in inits.items():
    print(f"{name:<10} n Var W = {width * init.variance(width, width):.3f}")


# %%
def rms(array):
    return np.sqrt(np.mean(np.square(array)))


sizes = [width, *[width] * depth, 10]
s_rms, dL_ds, predicted = {}, {}, {}  # of the thirty hidden layers
for name, init in inits.items():
    net = nn.MLP(sizes, "relu", init, rng=1, dtype=np.float64)
    with trace() as t:
        nn.cross_entropy(net(inputs), labels).backward()
    s_rms[name] = np.array([rms(row.s) for row in t.layers[:-1]])
    dL_ds[name] = np.array([rms(row.dL_ds) for row in t.layers[:-1]])
    predicted[name] = theory.predict_profile(net, [np.mean(inputs**2)])

# %% [markdown]
# From the first hidden layer to the thirtieth, and back, are 29 layers. With Xavier's weights each
# should take both sizes by 1/√2:

# %%
for name in inits:
    up, down = s_rms[name][-1] / s_rms[name][0], dL_ds[name][0] / dL_ds[name][-1]
    print(f"{name:<10} rms of s going up: × {up:.2e}   of ∂L/∂s going down: × {down:.2e}")
print(f"(1/√2)²⁹ = {0.5**14.5:.2e}")
assert 0.2 < s_rms["Xavier"][-1] / s_rms["Xavier"][0] / 0.5**14.5 < 5
assert 0.2 < s_rms["Kaiming"][-1] / s_rms["Kaiming"][0] < 5

# %%
figure, (up_axes, down_axes) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
layers = np.arange(1, depth + 1)
for name, colour in zip(inits, ("C0", "C1", "C2"), strict=True):
    up_axes.semilogy(layers, s_rms[name], "o", ms=3, color=colour, label=name)
    up_axes.semilogy(layers, predicted[name].s_std, color=colour, lw=1)
    down_axes.semilogy(layers, dL_ds[name] / dL_ds[name][-1], "o", ms=3, color=colour)
    down_axes.semilogy(layers, predicted[name].dL_ds, color=colour, lw=1)
up_axes.set(xlabel="layer", title="rms of $s$")
down_axes.set(xlabel="layer", title=r"rms of $\partial L/\partial s$ over layer 30's")
up_axes.legend(frameon=False, title="dots: measured\nlines: predicted")
plt.show()

# %% [markdown]
# The dots leave the lines by more and more as depth grows, mostly downward. Theory gives the *mean*
# of the mean square over all draws of the weights. A product of thirty random factors is below its
# mean most of the time, and far above it now and then. Draw Kaiming's net again and again:

# %%
ratios = []
for _ in range(500):
    x_i = first_x = rng.normal(size=(5, width))
    for _ in range(depth):
        x_i = np.maximum(x_i @ rng.normal(0, np.sqrt(2 / width), size=(width, width)), 0)
    ratios.append(np.mean(x_i**2) / np.mean(first_x**2))
below = np.mean(np.array(ratios) < 1)
print(f"E[x²] after thirty layers over before: mean {np.mean(ratios):.2f}, theory 1")
print(f"median {np.median(ratios):.2f}, largest {max(ratios):.1f}; {below:.0%} of draws below 1")
assert 0.7 < np.mean(ratios) < 1.5
assert np.median(ratios) < 0.8
assert below > 0.6

# %% [markdown]
# ## Do they train?
#
# A task that is easy for a shallow net: ten groups of points in a hundred dimensions. Whoever knows
# the ten centres has only to look for the nearest one:

# %%
centres = rng.normal(size=(10, width))
y_train = rng.integers(0, 10, 2000)
x_train = centres[y_train] + 0.5 * rng.normal(size=(2000, width))
distances = ((x_train[:, None] - centres) ** 2).sum(axis=2)
print(f"nearest to the centre of their class: {(distances.argmin(axis=1) == y_train).mean():.1%}")

# %% [markdown]
# For the two nets of thirty layers, plain gradient descent with learning rates 0.01, 0.1 and 1,
# since what suits one may not suit the other. A run whose loss is no longer a number stops there.


# %%
updates = 150 if small else 400


def losses(init, lr, batch=50):
    net = nn.MLP(sizes, "relu", init, rng=1)
    optimiser, order, found = nn.SGD(net.parameters(), lr), np.random.default_rng(2), []
    for _ in range(updates):
        some = order.integers(0, len(x_train), batch)
        loss = nn.cross_entropy(net(x_train[some]), y_train[some])
        if not np.isfinite(loss.item()):
            break
        found.append(loss.item())
        net.zero_grad()
        loss.backward()
        optimiser.step()
    return np.array(found)


guess = np.log(10)
print(f"a guess among ten: loss ln 10 = {guess:.3f}")

# %%
rates, curves, final = (0.01, 0.1, 1.0), {}, {}
for name in ("Xavier", "Kaiming"):
    for lr in rates:
        curves[name, lr] = curve = losses(inits[name], lr)
        final[name, lr] = curve[-20:].mean() if len(curve) == updates else np.inf
        print(f"{name:<8} lr {lr:<5}", end=" ")
        if np.isfinite(final[name, lr]):
            print(f"mean loss of the last twenty updates {final[name, lr]:.3f}")
        else:
            print(f"no number any more after {len(curve)} updates")

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for name, axes in zip(("Xavier", "Kaiming"), panels, strict=True):
    for lr, style in zip(rates, ("-", "--", ":"), strict=True):
        if len(curves[name, lr]) == updates:
            smooth = np.convolve(curves[name, lr], np.ones(20) / 20, mode="valid")
            axes.plot(smooth, style, label=f"lr {lr}")
    axes.set(xlabel="update", title=name, ylim=(0, 3))
    axes.legend(frameon=False, loc="lower left")
panels[0].set_ylabel("loss, mean of 20")
plt.show()

# %% [markdown]
# With Xavier's weights the loss stays at that of a guess, even with steps that break the other net
# (at left the three curves lie on each other; at right the third has stopped). Whether the stall
# would ever end is another question: a run can only say that it has not yet.

# %%
for name in ("Xavier", "Kaiming"):
    print(f"{name:<8} at its best rate: {min(final[name, lr] for lr in rates):.3f}")
assert abs(min(final["Xavier", lr] for lr in rates) - guess) < 0.05
assert min(final["Kaiming", lr] for lr in rates) < 0.7 * guess
assert np.isinf(final["Kaiming", 1.0]) and np.isfinite(final["Xavier", 1.0])

# %% [markdown]
# ## What the names mean
#
# Each library has its own names for these schemes, and its own defaults. PyTorch's
# `kaiming_uniform_(W, a=…)` draws from U[−bound, bound] with Var W = gain² / fan_in. The gain is
# that of the **leaky ReLU**, whose slope is 1 for s > 0 and a for s < 0. (Which gain that is, the
# first exercise asks.) By default a = 0: then it is ReLU's, Var W = 2/n, and the bound is √3
# standard deviations, √(6/n).
#
# The article gives √(6/n) too, but for the standard deviation, and says that PyTorch's
# documentation differs from it by a factor of √2. It does not; √(6/n) is the bound for both:

# %%
n = 300
init = nn.init.kaiming_uniform()
W = init((n, 4000), rng=0, dtype=np.float64)  # draws a matrix of this shape
print(f"largest |w| {abs(W).max():.5f}   √(6/n) = {np.sqrt(6 / n):.5f}")
print(f"std of w    {W.std():.5f}   √(2/n) = {np.sqrt(2 / n):.5f}")
assert np.isclose(abs(W).max(), np.sqrt(6 / n), rtol=1e-4)
assert np.isclose(W.std(), np.sqrt(2 / n), rtol=0.01)

# %% [markdown]
# What does differ is PyTorch's `nn.Linear`. It calls `kaiming_uniform_` with a = √5, a slope that
# no net of this kind has. What comes of it is the second exercise.
#
# Keras's `HeNormal` and `GlorotNormal` cut the normal off at two standard deviations. A normal
# that is cut off has less variance, so the libraries widen it first; who forgets that loses more
# than a fifth:

# %%
z = rng.normal(size=1_000_000)
cut = z[abs(z) < 2]
print(f"variance of a normal cut off at 2: {cut.var():.4f}")
print(f"so it is drawn with a standard deviation 1/√{cut.var():.4f} = {1 / cut.std():.4f} as large")
assert abs(cut.var() - 0.7737) < 0.005

# %% [markdown]
# So, in layers of equal width:

# %%
names = (
    ("standard", "nn.Linear's default", "–"),
    ("xavier_uniform", "xavier_uniform_", "GlorotUniform (default)"),
    ("xavier_normal", "xavier_normal_", "GlorotNormal, cut off"),
    ("kaiming_uniform", "kaiming_uniform_", "HeUniform"),
    ("kaiming_normal", "kaiming_normal_", "HeNormal, cut off"),
    ("lecun_normal", "kaiming_normal_, 'linear'", "LecunNormal, cut off"),
)
print(f"{'here':<16} {'PyTorch':<25} {'Keras':<24} n Var W")
for here, torch, keras in names:
    variance = getattr(nn.init, here)().variance(n, n)
    print(f"{here:<16} {torch:<25} {keras:<24} {n * variance:>7.4f}")

# %% [markdown]
# ## Exercises
#
# **1. Another gain.** The leaky ReLU has slope 1 for s > 0 and a for s < 0. What is its gain? (Of
# E[f(s)²] each side brings its part.)


# %%
def leaky_gain(a):
    return ...  # a number


check.leaky_gain(leaky_gain)

# %% [markdown]
# **2. PyTorch's bound.** Its weights are U[−bound, bound]: what is the bound, for any fan_in and a?
# Then look at it for a = √5: which initialisation of tutorial 7 is that?


# %%
def torch_bound(fan_in, a):
    return ...  # a number


check.torch_bound(torch_bound)

# %% [markdown]
# **3. Widths that change.** A ReLU net has hidden layers of these widths, first to last, and
# Var W = 2 / fan_in. Predict rms ∂L/∂s of the first hidden layer over that of the last.


# %%
def gradient_ratio(widths):
    return ...  # a number


check.gradient_ratio(gradient_ratio)

# %% [markdown]
# ## What we have
#
# - ReLU halves the second moment, E[x²] = ½ Var s, and the gradient's mean square with it. The
#   variance of x is another number, and not the one that counts.
# - Var W = 2 / fan_in gives it back. Xavier's 1/n loses √½ in each layer; after thirty there is
#   nothing left to learn from.
# - A name says little: compare n · Var W.
#
# Next, in tutorial 9: a gain for any function, also for one that you have just thought of.
#
# ## Solutions


# %%
def leaky_gain_solution(a):
    return np.sqrt(2 / (1 + a**2))  # E[f(s)²] = ½ · 1 + ½ · a²


assert check.leaky_gain(leaky_gain_solution)
assert np.isclose(leaky_gain_solution(0.01), theory.gain("leaky_relu"))


# %%
def torch_bound_solution(fan_in, a):
    return np.sqrt(2 / (1 + a**2)) * np.sqrt(3 / fan_in)


assert check.torch_bound(torch_bound_solution)
print(f"a = √5: {torch_bound_solution(n, np.sqrt(5)):.5f}   1/√n = {1 / np.sqrt(n):.5f}: standard")
assert np.isclose(torch_bound_solution(n, np.sqrt(5)), 1 / np.sqrt(n))

# %% [markdown]
# 3. Going back from layer i + 1 to layer i multiplies the mean square by ½ · n_{i+1} · 2/n_i, so
# by n_{i+1}/n_i. In the product everything cancels but the last width and the first.


# %%
def gradient_ratio_solution(widths):
    return np.sqrt(widths[-1] / widths[0])


assert check.gradient_ratio(gradient_ratio_solution)
widths = [100, 300, 50, 900]
net = nn.MLP([100, *widths, 10], "relu", "kaiming_normal", rng=3)
with trace() as t:
    nn.cross_entropy(net(inputs), labels).backward()
first, last = (np.sqrt(np.mean(t.layers[i].dL_ds ** 2)) for i in (0, -2))
print(f"predicted {gradient_ratio_solution(widths):.2f}, measured {first / last:.2f}")
assert 0.6 < first / last / gradient_ratio_solution(widths) < 1.6
