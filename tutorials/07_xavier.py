# %% [markdown]
# # 7 · Xavier
#
# **Question.** How large should a layer's weights be, so that the signal keeps its size on the way
# up *and* the gradient keeps its size on the way down? And what if both can't be had?
#
# Tutorial 4 multiplied a gradient's factors after the weights had been drawn. Here we go the other
# way, as Glorot & Bengio did (2010, section 4.2): we say what the factors should be, and solve for
# the weights. The result carries Xavier Glorot's first name.
#
# *25 minutes to read, some ten seconds to run. It follows tutorials 2 and 4.*

# %%
import math
from itertools import pairwise

import check
import matplotlib.pyplot as plt
import numpy as np

import nn
from engine import trace
from nn import theory

rng = np.random.default_rng(0)

# %% [markdown]
# ## Going up
#
# Take weights that are independent, with mean 0. Then $s_k = \sum_j x_j w_{jk}$ is a sum of n
# terms, n being the layer's inputs (its *fan_in*), whose variances add up:
#
# $$\operatorname{Var} s = n_\text{in}\, \operatorname{Var} W \; E[x^2].$$
#
# So $n_\text{in} \operatorname{Var} W$ is what the layer multiplies the signal's mean square by.
# (Biases are 0 here, as they usually are at the start.)

# %%
n_in, n_out, batch = 400, 200, 500
x = rng.normal(size=(batch, n_in))
for n_var_W in (0.5, 1.0, 2.0):
    W = rng.normal(0, np.sqrt(n_var_W / n_in), size=(n_in, n_out))
    print(f"fan_in Var W = {n_var_W}:   Var s = {(x @ W).var():.3f}")
    assert abs((x @ W).var() / n_var_W - 1) < 0.1

# %% [markdown]
# The article has Var x in the place of E[x²]. The two are equal if x has mean 0, as after tanh.
# With another mean it is E[x²] that counts: here x has variance 1 and mean 1, so E[x²] = 2.

# %%
x_moved = x + 1
W = rng.normal(0, np.sqrt(1 / n_in), size=(n_in, 2000))
var_s = (x_moved @ W).var()
print(f"Var x = {x_moved.var():.2f}   E[x²] = {np.mean(x_moved**2):.2f}   Var s = {var_s:.2f}")
assert abs(var_s - 2) < 0.2

# %% [markdown]
# ## Going down
#
# On the way back the same W is met from its other side: $\partial L/\partial x_j = \sum_k w_{jk}\,
# \partial L/\partial s_k$ is a sum over the layer's units, its *fan_out*. So the gradient's mean
# square is multiplied by $n_\text{out} \operatorname{Var} W$.

# %%
W = rng.normal(0, np.sqrt(1 / n_in), size=(n_in, n_out))
dL_ds = rng.normal(size=(batch, n_out))
up, down = (x @ W).var(), (dL_ds @ W.T).var()
print(f"fan_in Var W = 1, {n_in} inputs and {n_out} units:   up {up:.3f}   down {down:.3f}")
assert abs(up - 1) < 0.1
assert abs(down - n_out / n_in) < 0.1

# %% [markdown]
# ## Two conditions, one variance
#
# In the middle of tanh its slope is 1. As long as s stays there, these factors are all there is,
# and we want both of them to be 1:
#
# $$n_\text{in} \operatorname{Var} W = 1 \quad \text{(up)},$$
#
# $$n_\text{out} \operatorname{Var} W = 1 \quad \text{(down)}.$$
#
# With as many inputs as units that is one condition. Otherwise it is two for one number, and
# Xavier's compromise takes the mean of the two fans:
#
# $$\operatorname{Var} W = \frac{2}{n_\text{in} + n_\text{out}}.$$
#
# (The article says that Xavier's goal is to keep the variance of the gradient. That is one of the
# two conditions; the goal is this compromise between them.)

# %%
print("fan_in  fan_out        up      down   with Xavier's variance")
for i, o in ((300, 300), (400, 200), (200, 400), (1000, 10)):
    var_W = nn.init.xavier_normal().variance(i, o)
    print(f"{i:>6}  {o:>7}  {i * var_W:>8.3f}  {o * var_W:>8.3f}")
    assert np.isclose((i + o) / 2 * var_W, 1)

# %% [markdown]
# What one direction gains, the other loses. The sum of the two is always 2.
#
# ## The uniform bound
#
# Xavier's weights are usually drawn from an interval, U[−a, a]. Its variance is the mean of w²
# over it,
#
# $$\operatorname{Var} U[-a, a] = \frac{1}{2a}\int_{-a}^{a} w^2\, dw = \frac{a^2}{3}.$$
#
# So the bound is √3 standard deviations away. What bound follows for Xavier is the first exercise.
# Who takes the standard deviation itself for the bound gets a third of the variance:

# %%
n = 300
std = np.sqrt(1 / n)
for name, a in (("a = √3 · std", np.sqrt(3) * std), ("a = std", std)):
    W = rng.uniform(-a, a, size=(n, n))
    print(f"{name:<13} n Var W = {n * W.var():.4f}")
print(f"nn.init.standard()      n Var W = {n * nn.init.standard().variance(n, n):.4f}")
assert abs(n * W.var() - 1 / 3) < 0.01

# %% [markdown]
# That last one is what Glorot & Bengio found in common use, and call *standard*: U[±1/√n]. It is
# still what PyTorch's `nn.Linear` does unless told otherwise.
#
# ## Through a net
#
# Five layers of tanh, drawn either way. `theory.predict_profile` does for a net what tutorial 4 did
# for one layer after another: it predicts from the sizes and the initialisation, without looking at
# the weights.

# %%
width, depth = 300, 5
x = rng.normal(size=(300, width))
labels = rng.integers(0, 10, len(x))
inits = {"standard": nn.init.standard(), "Xavier": nn.init.xavier_uniform()}
traces, predictions = {}, {}
for name, init in inits.items():
    net = nn.MLP([width, *[width] * depth, 10], "tanh", init, rng=1)
    with trace() as t:
        nn.cross_entropy(net(x), labels).backward()
    traces[name] = t
    predictions[name] = theory.predict_profile(net, [np.mean(x**2)])


# %%
def rms(array):
    return np.sqrt(np.mean(np.square(array, dtype=np.float64)))


stds, sizes = {}, {}  # of x⁽ⁱ⁺¹⁾, and of ∂L/∂s, in the hidden layers
for name, t in traces.items():
    stds[name] = np.array([row.x_next.std() for row in t.layers[:-1]])
    sizes[name] = np.array([rms(row.dL_ds) for row in t.layers[:-1]])
    kept = sizes[name][0] / sizes[name][-1]
    print(f"{name:<9} std of x⁽ⁱ⁺¹⁾, layers 1 to {depth}:", stds[name].round(3))
    print(f"{'':<9} rms of ∂L/∂s, layer 1 over layer {depth}: {kept:.3f}")
    assert np.allclose(stds[name], predictions[name].x_std, rtol=0.1)
    assert 0.7 < kept / predictions[name].dL_ds[0] < 1.4

# %%
figure, (up_axes, down_axes) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
layers = np.arange(1, depth + 1)
for name, colour in (("standard", "C0"), ("Xavier", "C1")):
    up_axes.plot(layers, stds[name], "o", color=colour, label=name)
    up_axes.plot(layers, predictions[name].x_std, color=colour)
    down_axes.semilogy(layers, sizes[name] / sizes[name][-1], "o", color=colour)
    down_axes.semilogy(layers, predictions[name].dL_ds, color=colour)
up_axes.set(xlabel="layer", title="std of $x^{(i+1)}$", ylim=(0, None), xticks=layers)
down_axes.set(xlabel="layer", title=r"rms of $\partial L/\partial s$ over layer 5's", xticks=layers)
up_axes.legend(frameon=False, title="dots measured, lines predicted")
plt.show()

# %% [markdown]
# With the standard weights the signal fades on its way up and the gradient on its way down, each by
# about √⅓ in a layer. Xavier's keep far more of both.

# %%
for name in traces:
    up = (stds[name][-1] / stds[name][0]) ** (1 / (depth - 1))
    down = (sizes[name][0] / sizes[name][-1]) ** (1 / (depth - 1))
    print(f"{name:<9} a layer takes x by {up:.3f}, ∂L/∂s by {down:.3f}")
    assert name == "Xavier" or (abs(up - 3**-0.5) < 0.06 and abs(down - 3**-0.5) < 0.06)
print(f"√⅓ = {3**-0.5:.3f}")

# %% [markdown]
# And ∂L/∂W, as tutorial 4 found, is nearly the same in all layers with either: it is a product of
# x, which shrinks going up, and ∂L/∂s, which shrinks going down, and tells nothing of the two.

# %%
for name, t in traces.items():
    weights = np.array([rms(row.dL_dW) for row in t.layers[:-1]])
    print(f"{name:<9} rms of ∂L/∂W, layers 1 to {depth}, over their mean:", end=" ")
    print((weights / weights.mean()).round(3))
    assert weights.max() / weights.min() < 1.35

# %% [markdown]
# ## Where the compromise costs
#
# In a net whose widths go up and down, both factors of Xavier's differ from 1 in every layer. Do
# they cancel from one layer to the next?

# %%
widths = [400, 100] * 5
fans = list(pairwise(widths))  # (fan_in, fan_out) of each layer
factors_up = [i * 2 / (i + o) for i, o in fans]
factors_down = [o * 2 / (i + o) for i, o in fans[1:]]  # from the last layer to the first
print("up, the first two layers:", factors_up[:2], f" product {math.prod(factors_up[:2]):.2f}")
up, down = math.prod(factors_up), math.prod(factors_down)
print(f"Xavier      predicted: x² {up:.4f}   (∂L/∂s)² {down:.4f}")

# %% [markdown]
# They do not. A net without f shows it purely: nothing but the W. `lecun_normal` draws them with
# Var W = 1 / fan_in, the upward condition alone.

# %%
x_wide = rng.normal(size=(200, widths[0]))
for name, init in (("Xavier", nn.init.xavier_normal()), ("1 / fan_in", nn.init.lecun_normal())):
    net = nn.MLP([*widths, 10], "identity", init, rng=2)
    with trace() as t:
        nn.cross_entropy(net(x_wide), rng.integers(0, 10, 200)).backward()
    first, last = t.layers[0], t.layers[-2]
    up = np.mean(last.x_next**2) / np.mean(x_wide**2)
    down = np.mean(first.dL_ds**2) / np.mean(last.dL_ds**2)
    print(f"{name:<11} measured:  x² {up:.4f}   (∂L/∂s)² {down:.4f}")
    assert (up < 0.4 and down < 0.3) if name == "Xavier" else (0.7 < up < 1.4 and 0.7 < down < 1.4)

# %% [markdown]
# Xavier's loses in *both* directions here. With the upward condition alone, Var W = 1 / fan_in, the
# signal is kept, and the gradient's factors $n_\text{out}/n_\text{in}$ cancel from layer to layer
# until only the first and the last width are left. Kaiming He and his colleagues saw that (2015):
# either condition alone is enough. For equal widths, there is nothing to choose.
#
# ## Every direction at once
#
# A variance is a mean over directions. A layer may keep the mean and yet stretch one direction and
# crush another. What it does to each is in its **Jacobian**,
#
# $$J_{kj} = \frac{\partial x_k^{(i+1)}}{\partial x_j^{(i)}} = f'(s_k)\, w_{jk}.$$
#
# A gradient going back through the layer is multiplied by J. Its **singular values** say by how
# much a vector can be stretched: the largest at most, the smallest at least, and the root of the
# mean of their squares on average. For a square W of independent weights with n Var W = 1 they
# fill the interval from 0 to 2 under a quarter of a circle, whose mean is 8/(3π).

# %%
n = 300
values = np.linalg.svd(rng.normal(0, np.sqrt(1 / n), size=(n, n)), compute_uv=False)
print(f"singular values of W: {values.min():.3f} … {values.max():.3f}")
print(f"mean {values.mean():.4f}, 8/(3π) = {8 / (3 * np.pi):.4f}")
print(f"mean square {(values**2).mean():.4f}")
assert abs(values.mean() - 8 / (3 * np.pi)) < 0.01

# %% [markdown]
# So much for W; f′ ≤ 1 can only make them smaller. Glorot & Bengio give the mean singular value of
# a layer's Jacobian as about 0.8 with Xavier's weights and 0.5 with the standard ones (section
# 4.2.2): hardly below 8/(3π), and √⅓ of it.
#
# `t.jacobians(examples=1)` has the singular values of every layer's J for one example, and in
# `mean` their mean for each layer. We leave the output layer out, which isn't square. f′ is the
# smaller the larger s is, so the inputs matter: ours, and some as small as the images of MNIST.

# %%
for name, init in inits.items():
    net = nn.MLP([width, *[width] * depth, 10], "tanh", init, rng=1)
    for mean_square in (1.0, 0.112):  # MNIST's is 0.112
        with trace() as t:
            net(np.sqrt(mean_square) * x[:1])
        mean = t.jacobians(examples=1).mean[:-1]
        print(f"{name:<9} E[x²] = {mean_square:<6} mean in layers 1 to {depth}:", mean.round(3))
    assert np.all(abs(mean[1:] - {"Xavier": 0.8, "standard": 0.5}[name]) < 0.05)

# %% [markdown]
# What of the whole net? The Jacobian from end to end is the product of all of them, and its
# singular values spread with each layer: some directions live, most die. An *orthogonal* W, whose
# singular values are all 1, has nothing to spread. Ten layers of tanh:

# %%
width = 100
x_small = 0.1 * rng.normal(size=(4, width))  # small inputs: s stays in the middle of tanh
ends = {}
for init in (nn.init.standard(), nn.init.xavier_normal(), nn.init.orthogonal()):
    net = nn.MLP([width] * 11, "tanh", init, rng=3, output_activation="tanh")
    with trace() as t:
        net(x_small)
    ends[init.name] = t.jacobians(examples=1).end_to_end[0]
    low, middle, high = np.quantile(ends[init.name], [0, 0.5, 1])
    print(f"{init.name:<14} smallest {low:.1e}   median {middle:.1e}   largest {high:.1e}")
assert ends["orthogonal"].min() > 0.5
assert ends["xavier_normal"].max() > 1 and np.median(ends["xavier_normal"]) < 0.1

# %%
plt.figure(figsize=(6.5, 3.4), layout="constrained")
for name, values in ends.items():
    plt.semilogy(np.arange(1, width + 1), values, label=name)
plt.ylim(1e-9, 30)
plt.ylabel("singular value, ten layers")
plt.xlabel("from the largest to the smallest of the hundred")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How far tanh bends
#
# All this took tanh for the line f(s) = s. It bends, tanh s ≈ s − s³/3, so with n Var W = 1 the
# variance q of s shrinks a little in each layer: to E[tanh² s] ≈ q − 2q². Then 1/q grows by about
# 2 in each, and after many layers q ≈ 1 / (2 · layers). That is slow, unlike a power of a factor,
# and it is why Xavier is good enough for tanh. `theory.variance_map` is one such step, exactly:

# %%
q = 1.0
for layer in range(1, 101):
    q = theory.variance_map("tanh", q, var_w=1.0)
    if layer in (1, 10, 100):
        print(f"layer {layer:>3}: Var s = {q:.5f}   2 · layer · Var s = {2 * layer * q:.3f}")
assert abs(200 * q - 1) < 0.02

# %% [markdown]
# ## Exercises
#
# **1. The bound.** Xavier's weights as U[−a, a]: what is a?


# %%
def xavier_bound(fan_in, fan_out):
    return ...  # a


check.xavier_bound(xavier_bound)

# %% [markdown]
# **2. A Jacobian.** For a layer of tanh, W and the s of one example: J, with a row for each output.
# No loop is needed.


# %%
def tanh_jacobian(W, s):
    return ...  # an array of shape (n_out, n_in)


check.tanh_jacobian(tanh_jacobian)

# %% [markdown]
# **3. No direction lost.** Draw random weights, n × n, that change no vector's length: all of
# their singular values are 1, and each unit still sees all the inputs. (Which NumPy function makes
# perpendicular columns out of any?)


# %%
def isometry(n, rng):
    return ...  # an array of shape (n, n)


check.isometry(isometry)

# %% [markdown]
# ## What we have
#
# - Up, a layer multiplies the signal's variance by fan_in · Var W; down, the gradient's by
#   fan_out · Var W. Xavier makes their mean 1.
# - A bound is √3 standard deviations; "standard" is what comes of forgetting it.
# - Weights' gradients look healthy while ∂L/∂s vanishes.
# - The mean over directions can be kept while most directions die; orthogonal weights keep all.
#
# Next, in tutorial 8: for ReLU, half of everything is 0. What becomes of the conditions?
#
# ## Solutions


# %%
def xavier_bound_solution(fan_in, fan_out):
    return np.sqrt(3) * np.sqrt(2 / (fan_in + fan_out))  # = √(6 / (fan_in + fan_out))


assert check.xavier_bound(xavier_bound_solution)
W = nn.init.xavier_uniform()((400, 200), rng=0)
print(f"a = {xavier_bound_solution(400, 200):.5f}, the largest of 80,000 draws {abs(W).max():.5f}")


# %%
def tanh_jacobian_solution(W, s):
    return (1 - np.tanh(s) ** 2)[:, None] * W.T


assert check.tanh_jacobian(tanh_jacobian_solution)


# %%
def isometry_solution(n, rng):
    Q, R = np.linalg.qr(rng.normal(size=(n, n)))
    return Q * np.sign(np.diag(R))  # so that every direction is equally likely


assert check.isometry(isometry_solution)
