# %% [markdown]
# # 2 · The layer, derived
#
# **Question.** Layer i of a net computes s = xW + b from its input x, and passes on x⁽ⁱ⁺¹⁾ = f(s),
# the input of layer i + 1. From above, where the loss L is, the derivatives of L with respect to
# its *output* arrive, ∂L/∂x⁽ⁱ⁺¹⁾. What are ∂L/∂W and ∂L/∂b, which it learns by, and ∂L/∂x, which
# the layer below waits for?
#
# We find them three times: with loops over the indices, with matrix products, and with `dense`,
# the engine's layer. All three must give the same numbers. On the way we meet an index at which
# the article slips, the text on vanishing gradients that these tutorials retell, and the number
# that shows it.
#
# *20 minutes to read, a few seconds to run. Tutorial 1 comes before: the chain rule, and why
# gradients add up.*

# %%
import check
import numpy as np

from engine import Tensor, dense, matmul, tanh, trace

# %% [markdown]
# ## A layer
#
# A layer has some inputs and some *units*. Unit k takes every input $x_j$ times a weight of its
# own for it, $w_{jk}$, adds its bias $b_k$, and bends the sum with the **activation** f:
#
# $$s_k = \sum_j x_j w_{jk} + b_k, \qquad x_k^{(i+1)} = f(s_k).$$
#
# Several examples go through together, a **batch**: a row of x for each, counted by n. So x is
# (batch, inputs), W is (inputs, units), b is (units,). Here f is tanh, and what arrives from above
# is made up.

# %%
rng = np.random.default_rng(0)
batch, n_in, n_out = 4, 3, 2
x = rng.normal(size=(batch, n_in))
W = rng.normal(size=(n_in, n_out))
b = rng.normal(size=n_out)
dL_dx_next = rng.normal(size=(batch, n_out))
print("x", x.shape, " W", W.shape, " b", b.shape, " ∂L/∂x⁽ⁱ⁺¹⁾", dL_dx_next.shape)

# %% [markdown]
# ## With indices
#
# First through f: each $s_k$ reaches L through its own $x_k^{(i+1)}$ alone, so there is one path,
#
# $$\frac{\partial L}{\partial s_k} = \frac{\partial L}{\partial x_k^{(i+1)}}\, f'(s_k).$$
#
# Only $s_k$ contains $w_{jk}$, with the factor $x_j$. But every example of the batch goes through
# the same weight: a path for each example, so we add over the batch. Of $b_k$ the factor is 1.
#
# $$\frac{\partial L}{\partial w_{jk}} = \sum_{\text{batch}} x_j \frac{\partial L}{\partial s_k},
# \qquad \frac{\partial L}{\partial b_k} = \sum_{\text{batch}} \frac{\partial L}{\partial s_k}.$$
#
# The input $x_j$ belongs to one example alone, but every unit sees it: a path for each unit,
#
# $$\frac{\partial L}{\partial x_j} = \sum_k w_{jk} \frac{\partial L}{\partial s_k}.$$

# %%
loop_dW, loop_db, loop_dx = np.zeros_like(W), np.zeros_like(b), np.zeros_like(x)
for n in range(batch):
    for k in range(n_out):
        s_k = sum(x[n, j] * W[j, k] for j in range(n_in)) + b[k]
        dL_ds_k = dL_dx_next[n, k] * (1 - np.tanh(s_k) ** 2)  # tanh′ = 1 − tanh²
        loop_db[k] += dL_ds_k
        for j in range(n_in):
            loop_dW[j, k] += x[n, j] * dL_ds_k
            loop_dx[n, j] += W[j, k] * dL_ds_k
print("∂L/∂W by loops:")
print(loop_dW.round(4))

# %% [markdown]
# ## With matrices
#
# A sum over the index that two factors share is a matrix product. ∂L/∂W adds over the examples,
# the rows of x and of ∂L/∂s: that is xᵀ · ∂L/∂s. ∂L/∂x adds over the units: that is ∂L/∂s · Wᵀ.
# With s itself they are three products. (Sums taken in another order round differently: numbers of
# 64 bits have 16 digits, so equal means equal but for a few 1e-16.)

# %%
s = x @ W + b
dL_ds = dL_dx_next * (1 - np.tanh(s) ** 2)
dL_dW = x.T @ dL_ds
dL_db = dL_ds.sum(axis=0)
dL_dx = dL_ds @ W.T
for name, ours, loops in (("W", dL_dW, loop_dW), ("b", dL_db, loop_db), ("x", dL_dx, loop_dx)):
    print(f"∂L/∂{name}: largest difference from the loops {abs(ours - loops).max():.0e}")
    assert abs(ours - loops).max() < 1e-12

# %% [markdown]
# A way to remember where the transposes go: a gradient has the shape of what it is the gradient
# of. With 4 examples, 3 inputs and 2 units, only one product of the two has that shape.

# %%
print("xᵀ · ∂L/∂s:", x.T.shape, "·", dL_ds.shape, "→", dL_dW.shape, "as W")
print("∂L/∂s · Wᵀ:", dL_ds.shape, "·", W.T.shape, "→", dL_dx.shape, "as x")
assert dL_dW.shape == W.shape
assert dL_dx.shape == x.shape

# %% [markdown]
# ## With the engine
#
# `dense(x, W, b, f)` is this layer as one operation. Its derivative, in `engine/rules/linear.py`,
# is the four lines above from `dL_ds` to `dL_dx`; where a compiler is there, one kernel computes
# the same numbers. `backward` takes what arrives from above.

# %%
tensor_x, tensor_W, tensor_b = (Tensor(a, requires_grad=True) for a in (x, W, b))
dense(tensor_x, tensor_W, tensor_b, tanh).backward(dL_dx_next)
for name, ours, tensor in (("W", dL_dW, tensor_W), ("b", dL_db, tensor_b), ("x", dL_dx, tensor_x)):
    difference = abs(tensor.grad.numpy() - ours).max()
    print(f"∂L/∂{name}: largest difference from the engine's {difference:.0e}")
    assert difference < 1e-12

# %% [markdown]
# A layer needs no rule of its own. Written as a product, a sum and a function, three operations on
# the tape of tutorial 1, it has the same gradients:

# %%
steps_x, steps_W, steps_b = (Tensor(a, requires_grad=True) for a in (x, W, b))
tanh(matmul(steps_x, steps_W) + steps_b).backward(dL_dx_next)
difference = abs(steps_W.grad.numpy() - tensor_W.grad.numpy()).max()
print(f"∂L/∂W in three steps: largest difference {difference:.0e}")
assert difference < 1e-12

# %% [markdown]
# ## Where the article slips
#
# The article writes ∂x_k⁽ⁱ⁺¹⁾/∂w_jk = f′(s_j) x_j. By its own s = xW, the unit that holds $w_{jk}$
# is k, so it must be **f′(s_k)** x_j. With as many inputs as units both can be computed, and a
# central difference tells which one is right:

# %%
x_2, W_2, h = rng.normal(size=2), rng.normal(size=(2, 2)), 1e-6
j, k = 0, 1
nudge = np.zeros((2, 2))
nudge[j, k] = h
measured = (np.tanh(x_2 @ (W_2 + nudge))[k] - np.tanh(x_2 @ (W_2 - nudge))[k]) / (2 * h)
slope = 1 - np.tanh(x_2 @ W_2) ** 2
print(f"measured     {measured:.6f}")
print(f"f′(s_k) x_j  {slope[k] * x_2[j]:.6f}")
print(f"f′(s_j) x_j  {slope[j] * x_2[j]:.6f}")
assert abs(measured - slope[k] * x_2[j]) < 1e-8
assert abs(measured - slope[j] * x_2[j]) > 1e-3

# %% [markdown]
# ## Looking into a layer
#
# Inside `trace()`, every `dense` leaves a record of all these quantities, by their names. In a net
# there is a record for each layer; here is one layer, so one record.

# %%
with trace() as t:
    dense(tensor_x, tensor_W, tensor_b, tanh).backward(dL_dx_next)
layer = t.layers[0]
print(layer)
print("∂L/∂s:")
print(layer.dL_ds.round(4))
assert abs(layer.dL_ds - dL_ds).max() < 1e-12

# %% [markdown]
# `explain` writes the equation for one weight with the numbers of this pass, a line for each
# example, those that matter most first:

# %%
print(t.explain(0, weight=(0, 1)))

# %% [markdown]
# ## Exercises
#
# **1. One weight.** For one example (x has one axis, and there is no bias) and given j and k: what
# is ∂x_k⁽ⁱ⁺¹⁾/∂w_jk, if f is tanh?


# %%
def weight_slope(x, W, j, k):
    return ...  # a number


check.weight_slope(weight_slope)

# %% [markdown]
# **2. A sigmoid layer.** The sigmoid is f(s) = 1 / (1 + e⁻ˢ), and f′(s) = f(s) (1 − f(s)). Return
# its three gradients.


# %%
def layer_gradient(x, W, b, dL_dx_next):
    return ..., ..., ...  # ∂L/∂W, ∂L/∂b, ∂L/∂x


check.layer_gradient(layer_gradient)

# %% [markdown]
# **3. The bias is a weight.** Its input is always the same number. Make x₁ and W₁ such that
# x₁W₁ = xW + b, with b as a row of W₁.


# %%
def bias_as_weight(x, W, b):
    return ..., ...  # x₁, W₁


check.bias_as_weight(bias_as_weight)

# %% [markdown]
# ## What we have
#
# - ∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′(s), entry by entry (⊙), and from it everything else.
# - ∂L/∂W = xᵀ · ∂L/∂s: a weight learns from what came in and what was asked of its unit.
# - ∂L/∂x = ∂L/∂s · Wᵀ: the gradient goes down through the weights that the signal came up.
#
# Next, in tutorial 3: these products are nearly all of a net's work. How fast can they be?
#
# ## Solutions


# %%
def weight_slope_solution(x, W, j, k):
    s_k = x @ W[:, k]
    return (1 - np.tanh(s_k) ** 2) * x[j]


assert check.weight_slope(weight_slope_solution)


# %%
def layer_gradient_solution(x, W, b, dL_dx_next):
    f = 1 / (1 + np.exp(-(x @ W + b)))
    dL_ds = dL_dx_next * f * (1 - f)
    return x.T @ dL_ds, dL_ds.sum(axis=0), dL_ds @ W.T


assert check.layer_gradient(layer_gradient_solution)


# %%
def bias_as_weight_solution(x, W, b):
    ones = np.ones((len(x), 1))
    return np.hstack([x, ones]), np.vstack([W, b])


assert check.bias_as_weight(bias_as_weight_solution)

# %% [markdown]
# Then ∂L/∂b is the last row of x₁ᵀ · ∂L/∂s, and the rule for the bias is that of the weights:

# %%
x_1, W_1 = bias_as_weight_solution(x, W, b)
print("last row of x₁ᵀ · ∂L/∂s:", (x_1.T @ dL_ds)[-1].round(4), "  ∂L/∂b:", dL_db.round(4))
assert np.allclose((x_1.T @ dL_ds)[-1], dL_db)
