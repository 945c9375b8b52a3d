# %% [markdown]
# # 5 · Sigmoid, tanh, softsign
#
# **Question.** Tutorial 4 looked at a net before training. What does *training* do to the
# activations of a deep net, layer by layer, and why does it treat the sigmoid worse than others?
#
# In 2010 Xavier Glorot and Yoshua Bengio watched nets while they learned, and saw the top layer of
# sigmoid nets die within moments. We watch the same, on their own images, and take up their
# explanation: it has to do with the bias of the output.
#
# *25 minutes to read, about half a minute to run. Tutorial 4 comes before: ∂L/∂s from layer to
# layer.*

# %%
import os

import check
import matplotlib.pyplot as plt
import numpy as np

from engine import sigmoid, softsign, tanh
from experiments.data import SHAPESET_CLASSES, TEST_START, shapeset, shapeset_stream
from nn import MLP, SGD, Recorder, cross_entropy

small = "GRADTRACE_SMALL" in os.environ  # the tests train for a shorter time

# %% [markdown]
# ## Three activations
#
# The sigmoid goes from 0 to 1, the other two from −1 to 1. Softsign, s / (1 + |s|), is the one that
# takes its time to get there.

# %%
s = np.linspace(-8, 8, 1601)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for f in (sigmoid, tanh, softsign):
    left.plot(s, f.value(s), label=f.name)
    right.plot(s, f.slope(s))
left.set_title("f(s)")
right.set_title("f′(s)")
left.legend(frameon=False)
plt.show()

# %% [markdown]
# Where f is nearly flat, f′ is nearly 0 and lets no gradient through: the unit is **saturated**.
# Let us say so where f′ is below 5 % of its maximum. How far out is that?

# %%
for f in (sigmoid, tanh, softsign):
    far = s[f.slope(s) >= 0.05 * f.slope(s).max()].max()
    print(f"{f.name:8}: f′ is at most {f.slope(s).max():.2f}; saturated from s = ±{far:.2f} on")

# %% [markdown]
# ## The images
#
# Shapeset: one object or two on each image, and a class for each combination of triangle,
# parallelogram and ellipse. As many images as one likes are drawn on the spot. (The article says
# that this experiment was one on MNIST; the figures that it shows are of these images.)

# %%
# The images that we look through, from TEST_START on: training never comes so far.
x_probe, y_probe = shapeset(300, seed=0, start=TEST_START)
fig, axes = plt.subplots(1, 9, figsize=(12, 1.9), layout="constrained")
for label, ax in enumerate(axes):
    image = x_probe[np.flatnonzero(y_probe == label)[0]].reshape(32, 32)
    ax.imshow(image, cmap="gray", vmin=-1, vmax=1)
    ax.set_title(SHAPESET_CLASSES[label].replace("+", "\n"), fontsize=9)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## Watching
#
# Training is as in the paper: ten images at a time and then a step of the weights, an **update**;
# plain gradient descent, biases that start at 0, weights between ±1/√n. A `Recorder` looks into the
# net every so many updates: the same 300 images go through it, forward and backward, and statistics
# of every layer are kept.


# %%
def train(f, depth, lr, updates, frozen=(), batch=10):
    """A net of `depth` layers of 100, trained, and its recorder; parameters in `frozen` stay."""
    net = MLP([1024, *[100] * depth, 9], f, "standard", rng=0)
    recorder = Recorder(net, probe=(x_probe, y_probe), every=updates // 60)
    learned = [p for name, p in net.named_parameters() if name not in frozen]
    optimiser = SGD(learned, lr=lr, fused=True)  # fused: the same steps, sooner
    batches = shapeset_stream(batch, seed=0)
    for _ in range(updates):
        recorder.step()
        x, y = next(batches)
        net.zero_grad()
        cross_entropy(net(x), y).backward()
        optimiser.step()
    return net, recorder


# %% [markdown]
# Four sigmoid layers. `recorder.series` gives the updates at which it looked, and what it saw. In
# the picture, each layer's activations: their mean, and one standard deviation to either side.

# %%
net, recorder = train("sigmoid", depth=4, lr=0.3, updates=600 if small else 6000)
plt.figure(figsize=(7, 4), layout="constrained")
for layer in recorder.layers[:-1]:
    updates, mean = recorder.series(layer, "x_next", "mean")
    _, std = recorder.series(layer, "x_next", "std")
    (line,) = plt.plot(updates, mean, label=layer)
    plt.fill_between(updates, mean - std, mean + std, color=line.get_color(), alpha=0.2)
plt.xlabel("update")
plt.ylabel("activations x⁽ⁱ⁺¹⁾: mean ± std")
plt.legend(frameon=False, loc=(0.8, 0.12))
plt.show()

# %% [markdown]
# The top hidden layer falls toward 0 almost at once. The others stay about ½ or rise:

# %%
ends = [recorder.series(layer, "x_next", "mean")[1][-1] for layer in recorder.layers[:-1]]
print("mean activation of layers 1 to 4 at the end:", np.round(ends, 3))
assert min(ends[:3]) > 0.45
assert ends[3] < 0.15

# %% [markdown]
# What does that do to f′ of the top layer? And how does the gradient fare that reaches layer 1?

# %%
top = "layer 4"
updates, means = recorder.series(top, "x_next", "mean")
_, slopes = recorder.series(top, "df_ds", "mean")
_, gradients = recorder.series("layer 1", "dL_ds", "rms")
print("update  top layer's mean   its f′   ∂L/∂s in layer 1  loss")
for i in (0, len(updates) // 8, len(updates) // 2, -1):
    print(f"{updates[i]:6}  {means[i]:16.3f}  {slopes[i]:7.3f}", end="")
    print(f"  {gradients[i]:17.0e}  {recorder.losses[i]:4.2f}")
assert slopes[-1] < 0.5 * slopes[0]
assert gradients.max() < 1e-5

# %% [markdown]
# f′ of the top layer goes the way of its mean: it is close to saturation. The gradient in layer 1
# had vanished from the start, as in tutorial 4, and this is no help to it. The loss hardly moves.
#
# ## Why the top layer?
#
# What does the net know by now? Compare it with a guess that looks at no image and says each time
# how frequent the classes are:

# %%
labels = shapeset(5000, seed=1)[1]
frequency = np.bincount(labels) / len(labels)
guess = -np.sum(frequency * np.log(frequency))
print(f"loss of that guess {guess:.3f}; of the net {np.mean(recorder.losses[-5:]):.3f}")
assert abs(np.mean(recorder.losses[-5:]) - guess) < 0.1

# %% [markdown]
# That is all it knows. Here is Glorot and Bengio's explanation. The output layer computes
# o = b + hW, where h are the top activations, and takes $e^{o_k}$, divided by the sum of them all,
# for the probability of class k (this is the **softmax**). The bias b can learn the frequencies of
# the classes, and soon. What hW adds comes from layers that have learned nothing; it is in the way,
# and the loss falls if hW gets smaller. There are two ways to that: W → 0, or **h → 0**. And for a
# sigmoid, h = 0 is the saturated end. Which of the two happened?


# %%
def top_layer(net):
    """The activations h of the probe, and the W that they meet."""
    x = x_probe
    for layer in net.layers[:-1]:
        x = layer(x)
    return x.numpy(), net.layers[-1].W.numpy()


h_0, W_0 = top_layer(MLP(net.sizes, "sigmoid", "standard", rng=0))  # the net as it began
h, W = top_layer(net)
for name, before, now in (("h", h_0, h), ("W", W_0, W)):
    print(f"rms of {name}: {np.sqrt(np.mean(before**2)):.3f}, now {np.sqrt(np.mean(now**2)):.3f}")
assert np.sqrt(np.mean(W**2)) > 0.9 * np.sqrt(np.mean(W_0**2))

# %% [markdown]
# It is h that went to 0; W stayed. And hW says nothing of the image: it hardly differs from one to
# another, compared with how it differs from class to class.

# %%
hW = h @ W
print(f"std of hW over the images {hW.std(axis=0).mean():.0e}, over the classes ", end="")
print(f"{hW.mean(axis=0).std():.0e}")
assert hW.std(axis=0).mean() < 0.05 * hW.mean(axis=0).std()

# %% [markdown]
# What carries the frequencies now, b or hW? The softmax gives the frequencies if o is their
# logarithm; a constant more in every class changes nothing. So b and hW together must be a line of
# slope 1 over ln frequency. Fit one to each of the two: its slope is the part that it has.

# %%
b = net.layers[-1].b.numpy()
for name, part in (("b", b), ("hW", hW.mean(axis=0)), ("both", b + hW.mean(axis=0))):
    slope, _ = np.polyfit(np.log(frequency), part, 1)
    print(f"slope of {name} over ln frequency: {slope:.2f}")
assert small or abs(slope - 1) < 0.15

# %% [markdown]
# ## Without the bias
#
# So far the explanation holds. Try to refute it: does h fall *because* b has learned? Hold b at 0;
# the frequencies must then come from hW, and h can't go to 0.

# %%
_, frozen = train("sigmoid", depth=4, lr=0.3, updates=recorder.updates[-1], frozen=("output.b",))
plt.figure(figsize=(6, 3.5), layout="constrained")
for name, r in (("b learns", recorder), ("b stays 0", frozen)):
    updates, mean = r.series(top, "x_next", "mean")
    plt.semilogy(updates, mean, label=name)
    print(f"{name}: mean of the top layer at the end {mean[-1]:.3f}")
plt.yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
plt.minorticks_off()
plt.xlabel("update")
plt.ylabel("mean of the top hidden layer")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# It falls all the same, only less far. The bias is not what it takes.
#
# What else pushes h down? Look again: hW is the same for every image, so it is itself a second
# bias. But its steps are longer. Where one image moves b by −lr ∂L/∂o, it moves W by −lr hᵀ · ∂L/∂o
# (tutorial 2), and so hW by −lr hhᵀ · ∂L/∂o; hhᵀ is Σh², so this is Σh² times as far. At the
# beginning:

# %%
print(f"Σh² over the hundred units: {np.sum(h_0**2, axis=1).mean():.1f}")
assert np.sum(h_0**2, axis=1).min() > 10

# %% [markdown]
# A bias with so long a step runs after the last ten labels, among which the classes are, by chance,
# never quite as frequent as in all. The smaller h, the shorter this step. If that is what pushes,
# then less chance in the labels should push less. Take a hundred images at a time, and compare
# after as many updates:

# %%
_, calm = train("sigmoid", depth=4, lr=0.3, updates=300 if small else 1500, batch=100)
at, calm_mean = calm.series(top, "x_next", "mean")
mean = np.interp(at, *recorder.series(top, "x_next", "mean"))
print(f"top layer's mean after {at[-1]} updates, of 10 images: {mean[-1]:.3f}")
print(f"of 100 images: {calm_mean[-1]:.3f}")
assert calm_mean[-1] > 1.5 * mean[-1]

# %% [markdown]
# Less noise, slower fall. What is left of the explanation is its end, and that is about f: what is
# in the way at the output is silenced by h → 0, and a sigmoid can't be silent without being
# saturated.
#
# (The article writes here that the sigmoid's *gradient* at 0 is 0. At s = 0 it is the largest there
# is. It is 0 where the *output* is 0, far down the left.)

# %%
print(f"σ′ at s = 0: {sigmoid.slope(np.zeros(1))[0]}; at s = −8: {sigmoid.slope(s[:1])[0]:.5f}")
assert sigmoid.slope(np.zeros(1))[0] == sigmoid.slope(s).max()

# %% [markdown]
# ## tanh and softsign
#
# Their 0 is in the middle, where the slope is largest: a silent layer of them passes gradients
# best. So nothing of the kind should happen. Something else does, more slowly, in nets of five
# layers. To see it we ask for the **98th percentile** of x, which 98 of 100 activations stay below,
# and for minus the 2nd, the same downward, and take the larger of the two. Where it comes near 1,
# some units are saturated for some images.


# %%
def high_end(recorder, layer):
    """The updates, and the 98th percentile of x or minus the 2nd, whichever is larger."""
    updates, high = recorder.series(layer, "x_next", "p98")
    return updates, np.maximum(high, -recorder.series(layer, "x_next", "p2")[1])


updates, high = high_end(recorder, "layer 3")  # the sigmoid net's, to try it
print(f"sigmoid net, layer 3: {high[0]:.2f} at first, {high[-1]:.2f} at the end")

# %% [markdown]
# Now train both:

# %%
runs = {}
fig, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for f, ax in zip(("tanh", "softsign"), axes, strict=True):
    _, runs[f] = train(f, depth=5, lr=0.2, updates=600 if small else 12_000)
    for layer in runs[f].layers[:-1]:
        ax.plot(*high_end(runs[f], layer), label=layer)
    ax.set_title(f)
    ax.set_xlabel("update")
axes[0].set_ylabel("98th percentile of x⁽ⁱ⁺¹⁾, or minus the 2nd")
axes[1].legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# tanh saturates **from the bottom up**: layer 1 first, then the ones above in their order. (Glorot
# and Bengio saw this and had no explanation.) Softsign's layers rise too, but less far. When does
# each layer first have one activation in fifty beyond 0.95?


# %%
def first_beyond(recorder, layer, size=0.95):
    """The first update at which it is so, infinite if it never is."""
    updates, high = high_end(recorder, layer)
    return min(updates[high > size], default=np.inf)


for f, r in runs.items():
    found = ", ".join(f"{first_beyond(r, layer):.0f}" for layer in r.layers[:-1])
    print(f"{f}, layers 1 to 5, from update: {found}")
if not small:  # the tests do not train for so long
    order = [first_beyond(runs["tanh"], f"layer {i}") for i in (1, 2, 3)]
    assert order == sorted(order)
    assert order[0] < first_beyond(runs["softsign"], "layer 1")

# %% [markdown]
# By the size of x, then, softsign keeps farther from saturation. And by our own definition, f′
# below 5 % of its maximum? The recorder keeps that share too:

# %%
early = {}
for f, r in runs.items():
    updates, share = r.series("layer 1", "df_ds", "saturated")
    for i in (len(updates) // 4, -1):
        print(f"{f:8}, layer 1, update {updates[i]:>5}: {share[i]:.0%} saturated")
    early[f] = share[len(share) // 4]
assert small or early["softsign"] > early["tanh"]

# %% [markdown]
# So it depends on what one asks: softsign's slope falls off quickly at first, and its units pass
# our limit even sooner. What differs is what is left of f′ farther out. The 2nd percentile of f′ is
# what it is at most in the worst 2 of 100:

# %%
worst = {f: r.series("layer 1", "df_ds", "p2")[1][-1] for f, r in runs.items()}
for f, value in worst.items():
    print(f"{f:8}, layer 1: 2nd percentile of f′ {value:.1e}")
assert small or worst["softsign"] > 10 * worst["tanh"]

# %% [markdown]
# For softsign something is left, from which a unit can come back; for tanh next to nothing. And the
# losses: which nets learned?

# %%
for name, r in (("sigmoid", recorder), *runs.items()):
    print(f"{name:8}: loss {np.mean(r.losses[-5:]):.2f} after {r.updates[-1]} updates")
print(f"knowing only how frequent the classes are: {guess:.2f}")

# %% [markdown]
# ## Exercises
#
# **1. From the value.** f′ can often be had from y = f(s) alone: tanh′ = 1 − y². What is it for
# softsign, y = s / (1 + |s|)? (First for s > 0: solve for s.)


# %%
def softsign_slope(y):
    return ...  # an array like y


check.softsign_slope(softsign_slope)

# %% [markdown]
# **2. Count them.** Given a sigmoid layer's values y = f(s), an array: which share of them is
# saturated, with f′ below 5 % of its maximum?


# %%
def saturated_share(y):
    return ...  # a number between 0 and 1


check.saturated_share(saturated_share)

# %% [markdown]
# **3. The blind guess.** From labels alone, an array of class numbers 0, 1, 2, …, of which some may
# not occur: the lowest cross-entropy of a guess that does not look at the input. (The loss of an
# example is −ln of the probability that was given to its class.)


# %%
def constant_loss(labels):
    return ...  # a number


check.constant_loss(constant_loss)

# %% [markdown]
# ## What we have
#
# - Where the layers below say nothing, what the top layer adds to the output is noise, and it is
#   silenced by h → 0. A sigmoid is saturated there; tanh and softsign are at their steepest.
# - tanh saturates too, later, beginning with the layer at the input; softsign keeps some slope.
# - An explanation is worth an experiment that could refute it.
#
# Next, in tutorial 6: the loss was always cross-entropy. What would another one do?
#
# ## Solutions


# %%
def softsign_slope_solution(y):
    return (1 - abs(y)) ** 2  # 1 − |y| = 1 / (1 + |s|)


assert check.softsign_slope(softsign_slope_solution)


# %%
def saturated_share_solution(y):
    return np.mean(y * (1 - y) < 0.05 * 0.25)


assert check.saturated_share(saturated_share_solution)


# %%
def constant_loss_solution(labels):
    p = np.bincount(labels) / len(labels)
    p = p[p > 0]  # a class that never comes adds nothing
    return -np.sum(p * np.log(p))


assert check.constant_loss(constant_loss_solution)
