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
# *25 minutes to read, some ten seconds to run. It follows tutorial 7.*

# %%
import check
import matplotlib.pyplot as plt
import numpy as np

import nn
from engine import trace
from nn import theory

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
# standard deviation is larger than 1/√n is called the *gain*; ReLU's is √2. Taken at its word, the
# article's sentence would ask for 1/Var x instead of 1/E[x²]:

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
# and down. He et al. compare the two in thirty layers; here they are, and a third net drawn as
# the sentence would have it.

# %%
depth, width = 30, 100
inputs = rng.normal(size=(200, width))
labels = rng.integers(0, 10, len(inputs))
inits = {
    "Xavier": nn.init.xavier_normal(),
    "Kaiming": nn.init.kaiming_normal(),
    "1 / Var x": nn.init.kaiming_normal(gain=np.sqrt(1 / (0.5 - 1 / (2 * np.pi)))),
}

# %%
sizes = [width, *[width] * depth, 10]
profiles = {}
for name, init in inits.items():
    net = nn.MLP(sizes, "relu", init, rng=1, dtype=np.float64)
    with trace() as t:
        nn.cross_entropy(net(inputs), labels).backward()
    rows = t.layers[:-1]
    s_rms = np.array([np.sqrt(np.mean(row.s**2)) for row in rows])
    dL_ds = np.array([np.sqrt(np.mean(row.dL_ds**2)) for row in rows])
    profiles[name] = s_rms, dL_ds, theory.predict_profile(net, [np.mean(inputs**2)])
    print(f"{name:<10} rms s over 29 layers up: × {s_rms[-1] / s_rms[0]:.2e}", end="   ")
    print(f"rms ∂L/∂s down: × {dL_ds[0] / dL_ds[-1]:.2e}")
print(f"predicted for Xavier, both: (1/√2)²⁹ = {0.5**14.5:.2e}")
xavier, kaiming = profiles["Xavier"], profiles["Kaiming"]
assert 0.2 < xavier[0][-1] / xavier[0][0] / 0.5**14.5 < 5
assert 0.2 < kaiming[0][-1] / kaiming[0][0] < 5

# %%
figure, (up, down) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
layers = np.arange(1, depth + 1)
for (name, (s_rms, dL_ds, predicted)), colour in zip(
    profiles.items(), ("C0", "C1", "C2"), strict=True
):
    up.semilogy(layers, s_rms, "o", ms=3, color=colour, label=name)
    up.semilogy(layers, predicted.s_std, color=colour, lw=1)
    down.semilogy(layers, dL_ds / dL_ds[-1], "o", ms=3, color=colour)
    down.semilogy(layers, predicted.dL_ds, color=colour, lw=1)
up.set(xlabel="layer", title="rms of $s$")
down.set(xlabel="layer", title=r"rms of $\partial L/\partial s$, over layer 30's")
up.legend(frameon=False, title="dots measured, lines theory")
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
# A task that is easy for a shallow net: ten groups of points in a hundred dimensions. Plain
# gradient descent with three learning rates for each net, a hundred times apart, since what suits
# one may not suit the other. A run whose loss is no longer a number stops there.

# %%
centres = rng.normal(size=(10, width))
y_train = rng.integers(0, 10, 2000)
x_train = centres[y_train] + 0.5 * rng.normal(size=(2000, width))


def losses(init, lr, updates, batch=50):
    net = nn.MLP(sizes, "relu", init, rng=1)
    optimiser = nn.SGD(net.parameters(), lr)
    order = np.random.default_rng(2)
    found = []
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


# %%
updates = 400
curves = {
    (name, lr): losses(inits[name], lr, updates)
    for name in ("Xavier", "Kaiming")
    for lr in (0.01, 0.1, 1.0)
}
guess = np.log(10)
print(f"a guess among ten: ln 10 = {guess:.3f}")
for (name, lr), curve in curves.items():
    if len(curve) < updates:
        print(f"{name:<8} lr {lr:<5} no number any more after {len(curve)} updates")
    else:
        print(f"{name:<8} lr {lr:<5} mean loss of the last twenty updates {curve[-20:].mean():.3f}")

# %%
plt.figure(figsize=(7, 3.4), layout="constrained")
for (name, lr), curve in curves.items():
    colour, style = {"Xavier": "C0", "Kaiming": "C1"}[name], {0.01: "-", 0.1: "--", 1.0: ":"}[lr]
    if len(curve) == updates:
        smooth = np.convolve(curve, np.ones(20) / 20, mode="valid")
        plt.plot(smooth, color=colour, ls=style, label=f"{name}, lr {lr}")
plt.ylim(0, 3)
plt.xlabel("updates")
plt.ylabel("loss, mean of 20")
plt.legend(frameon=False, ncols=2)
plt.show()

# %% [markdown]
# With Xavier's weights the loss stays at that of a guess, even with steps that break the other net.
# Whether the stall would ever end is another question: a run can only say that it has not yet.

# %%
best = {
    name: min(c[-20:].mean() for (k, _), c in curves.items() if k == name and len(c) == updates)
    for name in ("Xavier", "Kaiming")
}
print("best last loss:", {name: round(float(loss), 3) for name, loss in best.items()})
assert abs(best["Xavier"] - guess) < 0.05
assert best["Kaiming"] < 0.7 * guess

# %% [markdown]
# ## What the names mean
#
# Each library has its own names for these schemes, and its own defaults. PyTorch's
# `kaiming_uniform_(W, a=…)` draws from U[−bound, bound] with
#
# $$\text{bound} = \text{gain}\cdot\sqrt{3/n_\text{in}}, \qquad
# \text{gain} = \sqrt{2/(1 + a^2)},$$
#
# the gain of the leaky ReLU, whose slope is 1 for s > 0 and a for s < 0. By default a = 0, so the
# bound is √(6/n): the very one that the article gives, which says that PyTorch's documentation
# differs from it by √2. It does not. (That √(6/n) is the bound, and not the standard deviation, as
# the article has it: that is √(2/n).)

# %%
n = 300
W = nn.init.kaiming_uniform()((n, 4000), rng=0, dtype=np.float64)
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

# %%
rows = (
    ("here", "PyTorch", "Keras", "n Var W"),
    ("standard", "nn.Linear's default", "–", nn.init.standard()),
    ("xavier_uniform", "xavier_uniform_", "GlorotUniform (default)", nn.init.xavier_uniform()),
    ("xavier_normal", "xavier_normal_", "GlorotNormal, cut off", nn.init.xavier_normal()),
    ("kaiming_uniform", "kaiming_uniform_", "HeUniform", nn.init.kaiming_uniform()),
    ("kaiming_normal", "kaiming_normal_", "HeNormal, cut off", nn.init.kaiming_normal()),
    ("lecun_normal", "nonlinearity='linear'", "LecunNormal, cut off", nn.init.lecun_normal()),
)
for here, torch, keras, init in rows:
    shown = init if isinstance(init, str) else f"{n * init.variance(n, n):.4f}"
    print(f"{here:<16} {torch:<22} {keras:<24} {shown:>7}")

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
# **2. PyTorch's bound.** For any fan_in and a. Then look at it for a = √5: which initialisation of
# tutorial 7 is that?


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
