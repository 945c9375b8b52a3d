# %% [markdown]
# # 4 · Watching a gradient vanish
#
# **Question.** A net of ten sigmoid layers has just been made; nothing is trained yet. How much of
# the gradient that leaves its top arrives at its bottom? And could we have known beforehand?
#
# We look into one backward pass, layer by layer, and find a factor. Then we take the factor apart
# into three that we know, predict it without any net, and see the prediction met. At the end there
# is a net whose weights' gradients look healthy although its gradient vanishes.
#
# *25 minutes to read, a few seconds to run, and a minute the first time. Tutorial 2 comes before: a
# layer and its gradients.*

# %%
import math
import os

import check
import matplotlib.pyplot as plt
import numpy as np
import pictures

from engine import meanfield, sigmoid, trace
from nn import MLP, SGD, cross_entropy, init

small = "GRADTRACE_SMALL" in os.environ  # the tests take smaller nets
width, depth = (100 if small else 250), 10

# %% [markdown]
# ## The net
#
# Ten layers between the input and the output, called *hidden*, then an output layer with a unit for
# each of ten classes. The weights are drawn as was usual before 2010, uniformly between −1/√n and
# 1/√n, where n is the number of inputs of the layer; biases start at 0. (Glorot & Bengio 2010, the
# paper that the article draws on most, call this the *standard* initialisation.) The inputs are a
# hundred examples of made-up numbers. The loss, *cross-entropy*, is the mean of −ln p, where p is
# the probability that the net gives to the right class.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(100, width))
labels = np.arange(100) % 10
net = MLP([width, *[width] * depth, 10], "sigmoid", "standard", rng=0)
with trace() as t_sigmoid:
    cross_entropy(net(x), labels).backward()
print(t_sigmoid)

# %% [markdown]
# A row for each layer, the first at the top; std is the standard deviation. One column is our
# subject, `rms ∂L/∂s`: read it from the output, at the bottom, up to layer 1. The **rms** is the
# root mean square: square all entries, average, take the root.
#
# The same as a picture: above, how the entries of each layer are spread; below, their sizes. (The
# dotted lines are a prediction; we shall make one ourselves.)

# %%
pictures.show(t_sigmoid.plot())

# %% [markdown]
# ## The factor
#
# What does one layer do to the gradient? Divide the rms of ∂L/∂s in each hidden layer by that of
# the layer above it.


# %%
def rms(array):
    return np.sqrt(np.mean(np.square(array, dtype=np.float64)))


hidden = t_sigmoid.layers[:-1]  # without the output layer
sizes = np.array([rms(layer.dL_ds) for layer in hidden])
factors = sizes[:-1] / sizes[1:]
for layer, factor in zip(hidden, factors, strict=False):
    print(f"{layer.name}: ∂L/∂s is {factor:.3f} times that of the layer above")
per_layer = (sizes[0] / sizes[-1]) ** (1 / (depth - 1))
print(f"on average {per_layer:.4f}; from layer {depth} to layer 1: {sizes[0] / sizes[-1]:.0e}")

# %% [markdown]
# Every layer multiplies by about the same number, well below 1, and so what arrives is a *power*
# of it. Ten layers deep, next to nothing is left. This is the **vanishing gradient**.
#
# ## The factor, taken apart
#
# From tutorial 2, with both of its steps in one line, now for two layers: unit j of a layer gets
#
# $$\frac{\partial L}{\partial s_j} = f'(s_j) \sum_k w_{jk} \frac{\partial L}{\partial s_k},$$
#
# where $s_k$ and $w_{jk}$ belong to the layer above and its n units. Square it and average. The
# weights were drawn independently, with mean 0: in the square of the sum, products of different
# weights average out, and n squares remain, each with the average of w², the **variance** Var W.
# And if f′ has nothing to do with what arrives, the average of their product is the product of
# their averages:
#
# $$\overline{\left(\frac{\partial L}{\partial s_j}\right)^2} \;\approx\;
# \underbrace{E[f'^2] \; n \operatorname{Var} W}_{\text{the factor, squared}} \;\;
# \overline{\left(\frac{\partial L}{\partial s_k}\right)^2}.$$
#
# E[…] is an average too. The trace has all three: f′(s) of the layer as `df_ds`, and W and n of the
# one above, n as `fan_out`, the number of its units.

# %%
for layer, above, factor in zip(hidden, hidden[1:], factors, strict=False):
    slope2 = np.mean(np.square(layer.df_ds))
    n_var_W = above.fan_out * above.W.var()
    product = math.sqrt(slope2 * n_var_W)
    print(
        f"{layer.name}: E[f′²] = {slope2:.4f}, n Var W = {n_var_W:.3f}: "
        f"√ of the product {product:.3f}, measured {factor:.3f}"
    )

# %% [markdown]
# (In layer 1 f′ is smaller: its s is larger, since its inputs are; the table has it under `std s`.)
#
# ## Predict it
#
# None of this needs a net. *Var W:* numbers uniform between −a and a have the variance a²/3; with
# a = 1/√n that is 1/(3n). So n Var W = 1/3, whatever the width.

# %%
drawn = rng.uniform(-1 / math.sqrt(width), 1 / math.sqrt(width), (width, width))
print(f"n Var W of a matrix drawn so: {width * drawn.var():.4f}")
assert math.isclose(width * drawn.var(), 1 / 3, rel_tol=0.05)

# %% [markdown]
# *E[f′²]:* s is a sum of many independent terms, so it is nearly *normal*, distributed as the bell
# curve, with some variance q. And q follows from the layer below, for the same reason as above:
# q = n Var W · E[x²], with the layer's own W and n counting its inputs. The function
# `meanfield.slope_second_moment(f, q)` is E[f′(s)²] of a normal s of variance q, and
# `meanfield.second_moment(f, q)` is E[f(s)²], the next layer's E[x²].

# %%
x2 = 1.0  # our inputs were drawn with this E[x²]
predicted = []
for _ in range(depth):
    q = 1 / 3 * x2
    predicted.append(math.sqrt(1 / 3 * meanfield.slope_second_moment(sigmoid, q)))
    x2 = meanfield.second_moment(sigmoid, q)
print("factor of each layer:", np.round(predicted, 4))
between = predicted[:-1]  # the last factor is from the output layer to layer 10
predicted_per_layer = math.prod(between) ** (1 / (depth - 1))
print(f"on average: predicted {predicted_per_layer:.4f}, measured {per_layer:.4f}")
assert math.isclose(predicted_per_layer, per_layer, rel_tol=0.1)

# %% [markdown]
# Could other inputs have helped? The sigmoid's slope is nowhere more than ¼. With n Var W = 1/3 the
# factor can't exceed ¼·√⅓, whatever the inputs:

# %%
bound = 0.25 * math.sqrt(1 / 3)
steepest = sigmoid.slope(np.linspace(-5, 5, 1001)).max()
print(f"steepest slope {steepest}; bound {bound:.4f}, and {bound ** (depth - 1):.0e} to the bottom")
assert steepest == 0.25
assert max(predicted) < bound

# %% [markdown]
# Larger weights would help. Beside our net, one whose weights are drawn by another rule
# (`xavier_uniform`): in layers of equal width it makes n Var W = 1.


# %%
def sizes_by_layer(scheme):
    """A net with these initial weights, and the rms of ∂L/∂s in its hidden layers."""
    net = MLP([width, *[width] * depth, 10], "sigmoid", scheme, rng=1)
    with trace() as t:
        cross_entropy(net(x), labels).backward()
    return net, np.array([rms(layer.dL_ds) for layer in t.layers[:-1]])


for scheme in ("standard", "xavier_uniform"):
    net_1, measured = sizes_by_layer(scheme)
    n_var_W = width * net_1.layers[1].W.numpy().var()
    print(f"{scheme}: n Var W = {n_var_W:.3f}, ∂L/∂s in layer 1 {measured[0]:.0e}")

# %% [markdown]
# In a picture, with the prediction drawn from the top layer downward. (`predicted_profile` does
# what our loop did, for any net.) The gradient vanishes more slowly, and it vanishes still.

# %%
layers = np.arange(1, depth + 1)
plt.figure(figsize=(6, 4), layout="constrained")
for scheme, colour in (("standard", "tab:blue"), ("xavier_uniform", "tab:red")):
    net_1, measured = sizes_by_layer(scheme)
    profile = net_1.layers[0].weight_init.predicted_profile(net_1.sizes, "sigmoid")
    plt.semilogy(layers, measured, "o", color=colour, label=scheme)
    plt.semilogy(layers, profile.dL_ds * measured[-1], ":", color=colour)
plt.xlabel("hidden layer")
plt.ylabel("rms of ∂L/∂s (dotted: predicted)")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What it does to learning
#
# A weight moves by its gradient: `SGD`, gradient descent, subtracts `lr` times ∂L/∂W from W. Let
# the net learn for a while, and see how far each layer's weights have moved, relative to their
# size.

# %%
before = net.state_dict()
optimiser = SGD(net.parameters(), lr=0.5)
for _ in range(50 if small else 200):
    net.zero_grad()
    cross_entropy(net(x), labels).backward()
    optimiser.step()
after = net.state_dict()
for name in (f"layer {i}.W" for i in (1, 4, 7, depth)):
    print(f"{name}: moved by {rms(after[name] - before[name]) / rms(before[name]):.0e} of its size")
moved = [rms(after[f"layer {i}.W"] - before[f"layer {i}.W"]) for i in (1, depth)]
assert moved[0] < 1e-3 * moved[1]

# %% [markdown]
# The top layers learn; the bottom ones stay as they were drawn. What they pass up is the input,
# mixed at random, and nothing tells them better.
#
# ## What weight gradients hide
#
# To know whether a gradient vanishes, one might look at ∂L/∂W of each layer: that is what the
# weights learn from. In this net of tanh it looks the same everywhere.

# %%
net = MLP([width, *[width] * depth, 10], "tanh", "standard", rng=0)
with trace() as t:
    cross_entropy(net(x), labels).backward()
hidden = t.layers[:-1]
print("layer       x     ∂L/∂s     ∂L/∂W")
for layer in hidden:
    print(f"{layer.name:8} {rms(layer.x):.4f}  {rms(layer.dL_ds):.1e}  {rms(layer.dL_dW):.1e}")

# %% [markdown]
# From one end to the other:

# %%
ratio_s = rms(hidden[0].dL_ds) / rms(hidden[-1].dL_ds)
ratio_W = rms(hidden[0].dL_dW) / rms(hidden[-1].dL_dW)
print(f"layer 1 over layer {depth}: ∂L/∂s {ratio_s:.4f}, ∂L/∂W {ratio_W:.2f}")
assert ratio_s < 0.05
assert 0.2 < ratio_W < 5

# %% [markdown]
# Recall ∂L/∂W = xᵀ · ∂L/∂s: it has the size of x times that of ∂L/∂s. Going *down*, ∂L/∂s shrinks,
# in each layer by nearly √(n Var W), since tanh′ is close to 1 for small s. Going *up*, x shrinks
# by nearly the same. Where one is small the other is large, and the product hides both.

# %%
up = (rms(hidden[-1].x) / rms(hidden[1].x)) ** (1 / (depth - 2))
down = ratio_s ** (1 / (depth - 1))
print(f"x going up: {up:.3f} a layer; ∂L/∂s going down: {down:.3f}; √⅓ = {math.sqrt(1 / 3):.3f}")

# %%
plt.figure(figsize=(6, 4), layout="constrained")
for name, label in (("x", "x"), ("dL_ds", "∂L/∂s"), ("dL_dW", "∂L/∂W")):
    profile = np.array([rms(getattr(layer, name)) for layer in hidden])
    plt.semilogy(layers, profile / profile[0 if name == "x" else -1], "o-", label=label)
plt.xlabel("hidden layer")
plt.ylabel("rms, divided by its value at one end")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# So look at ∂L/∂s, and at x beside it. In the sigmoid net ∂L/∂W did show it, as its table says:
# there the hidden layers' x is about ½ everywhere, and can't make up for anything.

# %%
sizes_of_x = [rms(layer.x) for layer in t_sigmoid.layers[1:-1]]
print(f"sigmoid net, rms of x from layer 2 on: {min(sizes_of_x):.2f} to {max(sizes_of_x):.2f}")
assert 0.4 < min(sizes_of_x) < max(sizes_of_x) < 0.6

# %% [markdown]
# ## Exercises
#
# **1. The factor, by yourself.** From two arrays: f′(s) of a layer, and W of the layer *above* it.
# By what does the rms of ∂L/∂s change from the layer above to this one?


# %%
def layer_factor(df_ds, W):
    return ...  # a number


check.layer_factor(layer_factor)

# %% [markdown]
# **2. Weights that would keep it.** Suppose that f′ is the same number everywhere, `slope`. Which
# Var W keeps the gradient, in layers of n units?


# %%
def needed_variance(n, slope):
    return ...  # a number


check.needed_variance(needed_variance)

# %% [markdown]
# Then try it: a sigmoid's slope is ¼ near 0. Make a net with `init.normal(std)` as its third
# argument, std being the root of that variance, and find its factor. Is it 1? Look at E[f′²].
#
# **3. How deep?** If each layer multiplies the gradient by `factor`, after how many layers is it
# at most `share` of what it was?


# %%
def layers_until(factor, share):
    return ...  # a whole number


check.layers_until(layers_until)

# %% [markdown]
# ## What we have
#
# - Going down, each layer multiplies the gradient by √(E[f′²] · n · Var W). A factor that is not
#   1 is a power in the end.
# - All three parts are known before the net is: the activation, the width, the initialisation.
# - ∂L/∂W mixes what comes up with what comes down, and may look healthy when both are not.
#
# Next, in tutorial 5: this was the start. What happens to the activations when the net is trained?
#
# ## Solutions


# %%
def layer_factor_solution(df_ds, W):
    n = W.shape[1]  # ∂L/∂x_j is a sum over the units above
    return math.sqrt(np.mean(df_ds**2) * n * W.var())


assert check.layer_factor(layer_factor_solution)


# %%
def needed_variance_solution(n, slope):
    return 1 / (n * slope**2)


assert check.needed_variance(needed_variance_solution)

# %% [markdown]
# Tried on the sigmoid, it is better than before and not what was hoped for: such weights make s
# large, and there the slope is far from ¼. Where s has the size that these weights give it, the
# average of f′² has fallen.

# %%
std = math.sqrt(needed_variance_solution(width, 0.25))
net = MLP([width, *[width] * depth, 10], "sigmoid", init.normal(std), rng=0)
with trace() as t:
    cross_entropy(net(x), labels).backward()
sizes = [rms(layer.dL_ds) for layer in t.layers[:-1]]
slope2 = np.mean(np.square(t["layer 5"].df_ds))
print(f"rms of s in layer 5: {rms(t['layer 5'].s):.2f}")
print(f"E[f′²] there: {slope2:.4f}; if f′ were ¼ it would be {0.25**2:.4f}")
print(f"factor per layer: {(sizes[0] / sizes[-1]) ** (1 / (depth - 1)):.2f}")
assert per_layer < (sizes[0] / sizes[-1]) ** (1 / (depth - 1)) < 0.9


# %%
def layers_until_solution(factor, share):
    return math.ceil(math.log(share) / math.log(factor))


assert check.layers_until(layers_until_solution)
layers = layers_until_solution(per_layer, 1e-7)
print(f"with {per_layer:.3f} a layer, less than 1e-7 is left after {layers} layers")
