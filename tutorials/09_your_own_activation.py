# %% [markdown]
# # 9 · Your own activation
#
# **Question.** You have an idea for an activation. What should you know of it before you train a
# net with it, and how much of that can be had from three lines of code?
#
# We take one that saturates like tanh, but without an exponential, and go through what the
# engine can tell of it: its derivatives, its gains, the gradient through a deep net. Then we train
# with it, and then we break it, because the errors are part of the tool.
#
# *20 minutes to read, some ten seconds to run. It follows tutorials 5 and 8.*

# %%
import textwrap
import warnings

import check
import matplotlib.pyplot as plt
import numpy as np
import pictures
from rich.console import Console

import engine
import nn
from engine import activation, sqrt, tanh
from experiments.cards.activation import Settings, card
from experiments.figures.activation_card import figure, tables
from experiments.lab.progress import Silent
from nn import theory

rng = np.random.default_rng(0)

# %% [markdown]
# ## A few lines
#
# An activation is a Python function of s, written with the engine's operations. This one has been
# called the inverse square root unit (Carlile et al. 2017). Its parameter a says how soon it
# saturates.


# %%
@activation
def isru(s, a=1.0):
    """s / √(1 + a s²), between −1/√a and 1/√a."""
    return s / sqrt(1 + a * s * s)


print(isru)
print("isru(1) =", isru(engine.Tensor(1.0)).item(), "  1/√2 =", round(1 / np.sqrt(2), 6))
print("with another parameter:", isru(a=4.0))

# %% [markdown]
# The function was called *once*, with a symbol in the place of s, and so became a formula. Of the
# formula the engine derived f′ and f″, and it compiles kernels of f and f′ like those of its own
# activations. The range is the infimum and the supremum of f: isru comes near ±1 and never gets
# there.
#
# On paper, f′ = (1 + s²)^(−3/2) for a = 1.

# %%
assert isru.range == (-1.0, 1.0) and isru.value(np.array(30.0)) < 1
s = np.linspace(-5, 5, 401)
assert np.allclose(isru.slope(s), (1 + s**2) ** -1.5)
report = engine.gradcheck(lambda z: isru(z), np.array([-2.0, -0.3, 0.7, 3.0]), order=2)
print(f"f′ and f″ agree with central differences: {report.compared} compared")
print(f"largest error {report.largest_error:.0e}")

# %%
plt.figure(figsize=(7, 3.4), layout="constrained")
for f, colour in ((isru, "C3"), (tanh, "0.4"), (engine.softsign, "0.7")):
    plt.plot(s, f.value(s), color=colour, label=f.name)
    plt.plot(s, f.slope(s), "--", color=colour)
plt.xlabel("s")
plt.title("f (lines) and f′ (dashed)")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# Its tails lie between tanh's, which dies exponentially, and softsign's. Where does f′ fall below
# 5 % of its maximum, which tutorial 5 called saturated?

# %%
for f in (tanh, isru, engine.softsign):
    far = np.linspace(0, 20, 20_001)
    saturated_from = far[f.slope(far) < 0.05].min()  # the maximum is 1 for all three
    print(f"{f.name:<9} saturated beyond |s| = {saturated_from:.2f}")
    if f is isru:
        assert np.isclose(saturated_from, np.sqrt(20 ** (2 / 3) - 1), atol=0.01)

# %% [markdown]
# ## Its gain
#
# Tutorial 8 found ReLU's gain, √2, from E[f(s)²] = ½. For any f, with s from a normal distribution
# of variance 1, there are three numbers, and they should not be mixed up. `theory.gain` finds them
# by quadrature, which is integration by a weighted sum of values:
#
# | | keeps | |
# |---|---|---|
# | forward | the variance of s | 1/√E[f²] |
# | variance | the variance of x | 1/√Var f |
# | backward | the gradient | 1/√E[f′²] |

# %%
z = rng.normal(size=1_000_000)
sampled = {
    "forward": 1 / np.sqrt(np.mean(isru.value(z) ** 2)),
    "variance": 1 / isru.value(z).std(),
    "backward": 1 / np.sqrt(np.mean(isru.slope(z) ** 2)),
}
for mode, by_sampling in sampled.items():
    exact = theory.gain(isru, mode)
    print(f"{mode:<9} by quadrature {exact:.5f}   by a million draws {by_sampling:.5f}")
    assert abs(by_sampling / exact - 1) < 0.01

# %% [markdown]
# The first two are equal since f is odd: E[f] = 0. Forward and backward differ: the weights that
# keep the signal make the gradient grow by their ratio in each layer, and those that keep the
# gradient let the signal shrink. `nn.init.kaiming(activation=…)` takes the forward gain.

# %%
init = nn.init.kaiming(activation=isru)
n = 100
print(f"{init}: n Var W = {n * init.variance(n, n):.4f}, gain² = {theory.gain(isru) ** 2:.4f}")
ratio = theory.gain(isru, "forward") / theory.gain(isru, "backward")
print(f"forward over backward: {ratio:.3f}")
assert np.isclose(n * init.variance(n, n), theory.gain(isru) ** 2)

# %% [markdown]
# ## Its card
#
# All of this, and the gradient through a deep net under several initialisations, is on its card.
# For a function in a file of yours the command is
#
# ```sh
# gradtrace activation my_file.py:isru
# ```
#
# and from Python, with what that command is made of (`Silent` shows no progress):

# %%
made = card(isru, Settings(depth=20, draws=1), Silent())
Console(width=92, force_jupyter=False).print(*tables(made))  # as text in a notebook too

# %% [markdown]
# *Kinks* are points where f′ jumps, as ReLU's does at 0. In the last table, look at *predicted* and
# *measured* first: the factor by which a layer changes the gradient's rms in this net. With the
# standard weights it is far below 1, as for tanh in tutorial 7; with Xavier's and with its own gain
# it is on either side of 1.
#
# The columns between are about nets much deeper still. There the variance of s settles at a **fixed
# point** q*, one that a layer leaves as it is. χ₁ is the factor on the gradient's mean square at
# it (where s dies out, q* = 0, none is given). ξ_q and ξ_c are **depth scales**: the number of
# layers in which the distance from q*, and the unlikeness of two inputs, change by a factor of e.
#
# The same as a picture, beside three that are known (silu is the function of exercise 3):

# %%
pictures.show(figure(made))

# %% [markdown]
# Is *predicted* right?

# %%
factor = {}
for scheme in made.schemes:
    both = [p[0] ** (1 / (len(p) - 1)) for p in (scheme.predicted, scheme.measured)]
    factor[scheme.name] = both
    print(f"{scheme.name:<22} a factor of {both[0]:.3f} predicted, {both[1]:.3f} measured")
    assert abs(both[0] / both[1] - 1) < 0.1
assert factor["standard"][0] < 0.6 < factor["xavier_uniform"][0] < 1

# %% [markdown]
# ## Train with it
#
# Its name is known from now on: "isru" stands where "tanh" would. The task is like tutorial 8's,
# in fewer dimensions and with more noise.

# %%
centres = rng.normal(size=(10, 50))
y_train = rng.integers(0, 10, 1000)
x_train = centres[y_train] + rng.normal(size=(1000, 50))
distances = ((x_train[:, None] - centres) ** 2).sum(axis=2)
print(f"nearest to the centre of their class: {(distances.argmin(axis=1) == y_train).mean():.1%}")


# %%
def losses(f, init, updates=400, batch=50):
    """Of a net with eight hidden layers, at each update."""
    net = nn.MLP([50, *[50] * 8, 10], f, init, rng=1)
    optimiser, order, found = nn.SGD(net.parameters(), lr=0.05), np.random.default_rng(2), []
    for _ in range(updates):
        some = order.integers(0, len(x_train), batch)
        loss = nn.cross_entropy(net(x_train[some]), y_train[some])
        found.append(loss.item())
        net.zero_grad()
        loss.backward()
        optimiser.step()
    return np.array(found)


# %%
runs = {
    "isru, standard": losses("isru", "standard"),
    "isru, its own gain": losses("isru", init),
    "tanh, its own gain": losses("tanh", nn.init.kaiming(activation="tanh")),
}
for name, run in runs.items():
    print(f"{name:<20} loss at first {run[:20].mean():.3f}, last {run[-20:].mean():.3f}")
assert runs["isru, its own gain"][-20:].mean() < 0.5 * runs["isru, standard"][-20:].mean()

# %%
plt.figure(figsize=(7, 3.4), layout="constrained")
for (name, run), colour in zip(runs.items(), ("C1", "C3", "0.5"), strict=True):
    plt.plot(np.convolve(run, np.ones(10) / 10, mode="valid"), color=colour, label=name)
plt.axhline(np.log(10), color="0.6", lw=0.8, label="a guess, ln 10")
plt.xlabel("updates")
plt.ylabel("loss, mean of 10")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# One net and one learning rate each: enough to see that the initialisation matters more here than
# the difference between two functions of the same kind. It is no contest between isru and tanh.
#
# ## Break it
#
# What does the engine say to definitions that can't work? `attempt` prints it:


# %%
def attempt(define):
    """Print the error or the warning that a definition brings, and return its kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning is raised, like an error
        try:
            define()
        except (engine.ActivationError, engine.ActivationWarning, ValueError) as problem:
            kind = type(problem).__name__
            print(textwrap.fill(f"{kind}: {problem}", 92))
            return kind
    print("nothing to say")
    return None


assert attempt(lambda: isru(a=2.0)) is None

# %% [markdown]
# A formula holds for every s, so an `if` can't choose by s. The error says what to write instead:


# %%
def with_if():
    @activation
    def steps(s):
        if s > 0:
            return s
        return 0.1 * s


assert attempt(with_if) == "ActivationError"

# %% [markdown]
# NumPy's functions of the engine's names are taken for the engine's, which have derivatives. Others
# are refused:


# %%
def with_numpy():
    @activation
    def bump(s):
        return np.sin(s) * np.exp(-s * s)


assert attempt(with_numpy) == "ActivationError"

# %% [markdown]
# This one is a good formula on paper. In float32, e⁻ˢ is infinite from s = −89 on, and then f or f′
# becomes 0 · ∞ or ∞/∞. You are told when you define it, and not by a NaN in the middle of training:


# %%
def overflowing():
    @activation
    def swish_on_paper(s):
        return s / (1 + engine.exp(-s))


assert attempt(overflowing) == "ActivationWarning"

# %% [markdown]
# If you give f′ yourself, as `@name.derivative`, it is compared with f at once:


# %%
def wrong_slope():
    @activation
    def cube(s):
        return s * s * s

    @cube.derivative
    def cube(s):
        return s * s


assert attempt(wrong_slope) == "ActivationError"

# %% [markdown]
# And a misspelt name is not taken for another:

# %%
assert attempt(lambda: nn.MLP([4, 4], "isro", rng=0)) == "ValueError"

# %% [markdown]
# ## Exercises
#
# **1. A gain without the engine.** For any f, a function of NumPy arrays: its forward gain, to
# within 2 %. Sampling will do.


# %%
def forward_gain(f):
    return ...  # a number


check.forward_gain(forward_gain)

# %% [markdown]
# **2. A hat.** A function that is 0 outside of (−1, 1), 1 at 0, and straight in between, for the
# check to make an activation of. (`engine.abs`, `engine.maximum` and `engine.where` know symbols.)


# %%
def hat(s):
    return ...  # a formula of s


check.hat(hat)

# %% [markdown]
# **3. A swish that holds.** Write the function that overflowed above so that no warning comes.
# (1 / (1 + e⁻ˢ) has a name of its own.)


# %%
def safe_swish(s):
    return ...  # a formula of s


check.safe_swish(safe_swish)

# %% [markdown]
# ## What we have
#
# - A function of s in the engine's operations is all: derivatives and kernels follow.
# - Its gain says how to draw the weights. Which gain depends on what is to be kept.
# - Where it breaks, the message names the line, the values, and a way out.
#
# Next, in tutorial 10: three sick nets, and all of the tools.
#
# ## Solutions


# %%
def forward_gain_solution(f):
    z = np.random.default_rng(0).normal(size=1_000_000)
    return 1 / np.sqrt(np.mean(f(z) ** 2))


assert check.forward_gain(forward_gain_solution)


# %%
def hat_solution(s):
    return engine.maximum(1 - engine.abs(s), 0)


assert check.hat(hat_solution)
print("kinks found at", activation(hat_solution).kinks)


# %%
def safe_swish_solution(s):
    return s * engine.sigmoid(s)


assert check.safe_swish(safe_swish_solution)
