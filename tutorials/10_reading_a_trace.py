# %% [markdown]
# # 10 · Reading a trace
#
# **Question.** A net does not learn. Which of its layers is to blame, and for what?
#
# Three nets are waiting, A, B and C. Each is sick in its own way, and nothing says how. First we
# go through the examination once, on a patient whose illness you know. Then it is your turn; the
# answers are at the end.
#
# *30 minutes to read and do, some ten seconds to run. It follows tutorials 4 to 8.*

# %%
import check
import matplotlib.pyplot as plt
import numpy as np
import pictures

import nn
from engine import trace
from experiments.data import SHAPESET_CLASSES, shapeset

# %% [markdown]
# The images are those of tutorial 5.

# %%
x, y = shapeset(100, seed=3)  # 100 images of triangles, parallelograms and ellipses
print("x:", x.shape, f"from {x.min():.0f} to {x.max():.0f}   classes: {len(SHAPESET_CLASSES)}")
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
for panel, image, label in zip(panels, x, y, strict=False):
    panel.imshow(image.reshape(32, 32), cmap="gray", vmin=-1, vmax=1)
    panel.set_title(SHAPESET_CLASSES[label].replace("+", "\n+ "), fontsize=9)
    panel.axis("off")
plt.show()


# %%
def examine(net, x, y):
    """The trace of one forward and backward pass."""
    with trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t


# %% [markdown]
# ## The examination
#
# Of what can be wrong with a net at its beginning, five things are frequent, and each has its sign:
#
# | ailment | sign |
# |---|---|
# | vanishing gradient | rms ∂L/∂s falls by a similar factor in layer after layer, going back |
# | exploding gradient | it grows by a factor, going back |
# | saturation | f′(s) is close to 0 on both sides of f: \|s\| is large |
# | dead units | a ReLU's s is below 0 for every example: f′(s) = 0, exactly |
# | symmetric weights | the columns of a W are equal, so its units compute the same |
#
# Our known patient has eight sigmoid layers and the standard weights.

# %%
known = nn.MLP([1024, *[64] * 8, 9], "sigmoid", "standard", rng=0)
t = examine(known, x, y)

# %% [markdown]
# **First the table.** `print(t)` has a row for each layer. Read it from the bottom, since the
# gradient comes from there.

# %%
print(t)

# %% [markdown]
# *factor* is rms ∂L/∂s over that of the next layer. Layer 8's is another matter: the next layer is
# the output, with 9 units only to sum over. From layer 7 down, the factor is nearly the same
# everywhere, and far below 1. Nothing is saturated. That is the sign of a vanishing gradient: no
# single layer is to blame, each takes its share. Is it the share that theory gives,
# √(E[f′²] · n Var W) (tutorial 4)?
#
# (In a ReLU net *saturated* is about 50 % in health: f′ is 0 for half of the s, tutorial 8.)

# %%
rms = {row.name: np.sqrt(np.mean(row.dL_ds**2)) for row in t.layers}
for i in (2, 5, 8):
    here, above = t.layers[i - 1], t.layers[i]
    n_var_W = above.fan_out * np.mean(above.W**2)
    predicted = np.sqrt(np.mean(here.df_ds**2) * n_var_W)
    measured = rms[here.name] / rms[above.name]
    print(f"{here.name}: predicted {predicted:.3f}, measured {measured:.3f}")
    assert abs(predicted / measured - 1) < 0.2

# %% [markdown]
# **Then the picture.** `t.plot()` shows the distributions: a vanishing gradient is a staircase
# leaning to one side. (It returns a figure: `pictures.show` brings it to a window or a notebook,
# `.savefig(path)` to a file.)

# %%
pictures.show(t.plot())

# %% [markdown]
# **Then one weight.** `t.explain` writes out one weight's gradient, example by example, as the
# three factors of the article. It tells which of them is small: here f′ is near its maximum, ¼, and
# x is of ordinary size. It is ∂L/∂x⁽ⁱ⁺¹⁾ that arrives with nothing left.

# %%
print(t.explain("layer 1", weight=(0, 0), examples=3))
assert t["layer 1"].df_ds.mean() > 0.2

# %% [markdown]
# **And last the second opinion.** `t.diagnose()` looks for all five and gives evidence, cause and
# remedy. It comes last because it answers what it was built to look for, and nothing else.

# %%
print(t.diagnose())
assert t.diagnose()[0].kind == "vanishing gradient"

# %% [markdown]
# Does the remedy hold what it promises? It names an initialisation and predicts the factor under
# it; we can draw such a net and measure.

# %%
mended = nn.MLP([1024, *[64] * 8, 9], "tanh", "xavier_uniform", rng=0)
after = examine(mended, x, y)
first, last = (np.sqrt(np.mean(after.layers[i].dL_ds ** 2)) for i in (0, 7))
factor = (first / last) ** (1 / 7)
predicted = t.diagnose()[0].numbers["predicted_factor"]
print(f"factor per layer: promised {predicted:.3f}, measured {factor:.3f}")
print(after.diagnose())
assert after.diagnose().healthy
assert abs(factor / predicted - 1) < 0.1

# %% [markdown]
# ## Exercises
#
# For each patient say what ails it, one of the five, and the first layer concerned, counted from
# the input. (If all are, that is layer 1.) Replace each `...`; the check says what speaks against
# an answer that is not right.
#
# Ask of every table: which row is unlike the others, and in which column? Or are all rows alike?
# Then look further into the layer. `row = t["layer 2"]` has the arrays (`row.x`, `row.s`, `row.b`),
# `row.saturated()` is the share of saturated entries, and `row.dead()` names the units whose f′(s)
# is 0 for every example. `t.explain("layer 2", weight=(0, 0))` and `t.explain("layer 2", bias=0)`
# write out the sums.
#
# Then mend it: change what is wrong and nothing else, in the last cell of each. A layer's weights
# and biases are set with `net_a.layers[0].W.assign(array)`; you may also change what comes in, or
# draw another net. The cell says whether the trace finds nothing any more.
#
# **Patient A**

# %%
print("the ailments:", ", ".join(check.AILMENTS))
net_a, x_a, y_a = check.patient("A")
a = examine(net_a, x_a, y_a)
print(a)

# %%
pictures.show(a.plot())

# %%
patient_a = ..., ...  # the ailment, and for example "layer 2"

check.patient_a(patient_a)

# %%
# Mend A here.
print("healthy:", examine(net_a, x_a, y_a).diagnose().healthy)

# %% [markdown]
# **Patient B**

# %%
net_b, x_b, y_b = check.patient("B")
b = examine(net_b, x_b, y_b)
print(b)

# %%
pictures.show(b.plot())

# %%
patient_b = ..., ...

check.patient_b(patient_b)

# %%
# Mend B here.
print("healthy:", examine(net_b, x_b, y_b).diagnose().healthy)

# %% [markdown]
# **Patient C**

# %%
net_c, x_c, y_c = check.patient("C")
c = examine(net_c, x_c, y_c)
print(c)
print(f"loss {nn.cross_entropy(net_c(x_c), y_c).item():.3g}, a guess has {np.log(9):.3g}")

# %%
pictures.show(c.plot())

# %%
patient_c = ..., ...

check.patient_c(patient_c)

# %%
# Mend C here.
print("healthy:", examine(net_c, x_c, y_c).diagnose().healthy)

# %% [markdown]
# ## What we have
#
# - Read from the loss's end. A layer unlike its neighbours has an ailment of its own; a factor that
#   is alike in all layers has a cause that is alike in all layers.
# - The factors of one weight's gradient say on which side of the layer to look further.
# - A diagnosis is a measurement and a prediction. Both can be checked.
#
# This is the last tutorial. `gradtrace list` shows the experiments in which the article's claims
# are measured at full size, each with a verdict.
#
# ## Solutions
#
# **Patient A**'s first layer is saturated, and the layers above it are well. Its s are large, and
# its weights are not to blame: they have Xavier's variance. (Each solution begins with the patient
# as it came, whatever you have done to it.)

# %%
net_a, x_a, y_a = check.patient("A")
a = examine(net_a, x_a, y_a)
assert check.patient_a(("saturation", "layer 1"))
row = a["layer 1"]
print(f"(fan_in + fan_out)/2 · Var W: {(row.fan_in + row.fan_out) / 2 * row.W.var():.3f}")
print(f"rms of x: {np.sqrt(np.mean(row.x**2)):.0f}, from {row.x.min():.0f} to {row.x.max():.0f}")
print(f"rms of s: {np.sqrt(np.mean(row.s**2)):.0f}, saturated {row.saturated():.0%}")
print()
print(a.diagnose())
assert row.saturated() > 0.5 > a["layer 2"].saturated()
assert [finding.kind for finding in a.diagnose()] == ["saturation", "vanishing gradient"]

# %% [markdown]
# The second finding follows from the first: in layer 1 the gradient is multiplied by an f′ of next
# to nothing. So the gravest is mended first, and then one looks again.
#
# The x are grey levels as an image file holds them, from 0 to 255. Xavier's weights keep the size
# of what they are given, so give them something of size 1:

# %%
print(examine(net_a, x_a / 127.5 - 1, y_a).diagnose())
assert examine(net_a, x_a / 127.5 - 1, y_a).diagnose().healthy

# %% [markdown]
# **Patient B** has dead units in layer 3. Its biases say why: all are −2, and xW does not make up
# for it. Such a thing is left by one update that was too large. It can't heal by itself: where
# f′(s) is 0 for every example, ∂L/∂b is 0 too, exactly.

# %%
assert check.patient_b(("dead units", "layer 3"))
net_b, x_b, y_b = check.patient("B")
b = examine(net_b, x_b, y_b)
row = b["layer 3"]
dead = row.dead()
print(f"layer 3: {dead.share:.0%} of the units dead, biases {row.b.min():.0f} to {row.b.max():.0f}")
print(f"the largest |∂L/∂b| among them: {abs(row.dL_db[dead.indices]).max()}")
print()
print(b.diagnose())
assert not row.dL_db[dead.indices].any()
assert np.all(row.b == -2)

# %%
k = int(dead.indices[0])
print(b.explain("layer 3", bias=k, examples=3))

# %%
net_b.layers[2].b.assign(np.zeros(64, np.float32))
print(examine(net_b, x_b, y_b).diagnose())
assert examine(net_b, x_b, y_b).diagnose().healthy

# %% [markdown]
# **Patient C**'s gradient explodes, and so does its signal: s is larger in every layer, and the
# loss with it. The weights of all layers have the same standard deviation, whatever the number of
# inputs, and n Var W is far above ReLU's 2 (tutorial 8). No layer stands out because each has the
# same cause.

# %%
assert check.patient_c(("exploding gradient", "layer 1"))
net_c, x_c, y_c = check.patient("C")
c = examine(net_c, x_c, y_c)
for row in c.layers[1:4]:
    n_var_W = row.fan_in * np.mean(row.W**2)
    print(f"{row.name}: std of W {row.W.std():.2f}, n Var W = {n_var_W:.2f}", end=", ")
    print(f"√(½ n Var W) = {np.sqrt(n_var_W / 2):.2f}")
    assert n_var_W > 4
print()
print(c.diagnose())

# %%
mended_c = nn.MLP(net_c.sizes, "relu", "kaiming_normal", rng=3)
print(examine(mended_c, x_c, y_c).diagnose())
assert examine(mended_c, x_c, y_c).diagnose().healthy
