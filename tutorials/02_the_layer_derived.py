# %% [markdown]
# # The layer, derived
#
# **Question.** A layer computes s = xW + b and x⁽ⁱ⁺¹⁾ = f(s). A loss L, somewhere further on,
# has told us ∂L/∂x⁽ⁱ⁺¹⁾. What are ∂L/∂W, ∂L/∂b, and the ∂L/∂x that the layer below waits for?
#
# We answer it three times: with loops over the indices, with three matrix products, and with
# `dense`, the engine's layer. All three must give the same numbers.

# %%
import numpy as np

from engine import Tensor, dense, matmul, tanh, trace

rng = np.random.default_rng(0)
batch, n_in, n_out = 4, 3, 2
x = rng.normal(size=(batch, n_in))
W = rng.normal(size=(n_in, n_out))
b = rng.normal(size=n_out)
dL_dx_next = rng.normal(size=(batch, n_out))  # what arrives from above

# %% [markdown]
# ## With indices
#
# Count the inputs by j and the units by k. Unit k of one example does this:
#
# $$s_k = \sum_j x_j w_{jk} + b_k, \qquad x_k^{(i+1)} = f(s_k).$$
#
# Only $s_k$ contains $w_{jk}$, with the factor $x_j$. So the chain rule has one path to it, and
# the weight's gradient is the sum over the examples of the batch:
#
# $$\frac{\partial L}{\partial s_k} = \frac{\partial L}{\partial x_k^{(i+1)}}\, f'(s_k), \qquad
# \frac{\partial L}{\partial w_{jk}} = \sum_{\text{batch}} x_j \frac{\partial L}{\partial s_k}.$$
#
# The input $x_j$, on the other hand, is seen by every unit: there the chain rule sums over k,
#
# $$\frac{\partial L}{\partial x_j} = \sum_k w_{jk} \frac{\partial L}{\partial s_k}.$$

# %%
loop_dW, loop_db, loop_dx = np.zeros_like(W), np.zeros_like(b), np.zeros_like(x)
for n in range(batch):
    for k in range(n_out):
        s_k = sum(x[n, j] * W[j, k] for j in range(n_in)) + b[k]
        dL_ds_k = dL_dx_next[n, k] * (1 - np.tanh(s_k) ** 2)
        loop_db[k] += dL_ds_k
        for j in range(n_in):
            loop_dW[j, k] += x[n, j] * dL_ds_k
            loop_dx[n, j] += W[j, k] * dL_ds_k
print("∂L/∂W by loops:\n", loop_dW.round(4))

# %% [markdown]
# ## With matrices
#
# Each of the three sums is a matrix product or a sum over the batch:

# %%
s = x @ W + b
dL_ds = dL_dx_next * (1 - np.tanh(s) ** 2)
dL_dW = x.T @ dL_ds
dL_db = dL_ds.sum(axis=0)
dL_dx = dL_ds @ W.T
largest = max(abs(dL_dW - loop_dW).max(), abs(dL_db - loop_db).max(), abs(dL_dx - loop_dx).max())
print(f"largest difference from the loops: {largest:.1e}")
assert largest < 1e-12

# %% [markdown]
# ## With the engine
#
# `dense(x, W, b, f)` is this layer as one operation. Its derivative, in
# `engine/rules/linear.py`, is the four lines above. `backward` takes what arrives from above.

# %%
tx, tW, tb = (Tensor(a, requires_grad=True) for a in (x, W, b))
dense(tx, tW, tb, tanh).backward(dL_dx_next)
for name, ours, engines in (("W", dL_dW, tW), ("b", dL_db, tb), ("x", dL_dx, tx)):
    difference = abs(engines.grad.numpy() - ours).max()
    print(f"∂L/∂{name}: differs from the engine's by {difference:.1e}")
    assert difference < 1e-12

# %% [markdown]
# Nothing in it is special to the layer: written as a product, a sum and a function, the engine
# finds the same gradients, an operation at a time.

# %%
steps = [Tensor(a, requires_grad=True) for a in (x, W, b)]
tanh(matmul(steps[0], steps[1]) + steps[2]).backward(dL_dx_next)
difference = abs(steps[1].grad.numpy() - tW.grad.numpy()).max()
print(f"∂L/∂W, composed: differs by {difference:.1e}")
assert difference < 1e-12

# %% [markdown]
# ## Where the article slips
#
# The article writes ∂x_k⁽ⁱ⁺¹⁾/∂w_jk = f′(s_j) x_j. By its own s = xW, the unit that contains
# w_jk is k, so it must be **f′(s_k)** x_j. With as many inputs as units both can be computed,
# and a central difference tells which one is right:

# %%
x1, W1, h = rng.normal(size=2), rng.normal(size=(2, 2)), 1e-6
j, k = 0, 1
step = np.zeros((2, 2))
step[j, k] = h
measured = (np.tanh(x1 @ (W1 + step))[k] - np.tanh(x1 @ (W1 - step))[k]) / (2 * h)
slope = 1 - np.tanh(x1 @ W1) ** 2
print(f"measured     {measured:.6f}")
print(f"f′(s_k) x_j  {slope[k] * x1[j]:.6f}")
print(f"f′(s_j) x_j  {slope[j] * x1[j]:.6f}")
assert abs(measured - slope[k] * x1[j]) < 1e-8
assert abs(measured - slope[j] * x1[j]) > 1e-3

# %% [markdown]
# ## Looking into a layer
#
# Inside `trace()`, every `dense` leaves a record with all of these quantities, by their names:

# %%
with trace() as t:
    dense(Tensor(x), tW, tb, tanh).backward(dL_dx_next)
layer = t.layers[0]
print(layer)
print("∂L/∂s:\n", layer.dL_ds.round(4))
assert abs(layer.dL_ds - dL_ds).max() < 1e-12

# %% [markdown]
# ## Exercises
#
# 1. The bias is a weight whose input is always 1. Append a column of ones to `x` and `b` as a
#    row to `W`, and find ∂L/∂b in the last row of ∂L/∂W.
# 2. Change `tanh` to the sigmoid in all three versions. Its f′(s) is f(s) (1 − f(s)).
# 3. Which of the three sums grows with the batch, and which does not? Check with `batch = 400`.
#
# The answers follow.

# %%
x_with_ones = np.hstack([x, np.ones((batch, 1))])
print("∂L/∂b as the last row of ∂L/∂W:", (x_with_ones.T @ dL_ds)[-1].round(4), dL_db.round(4))
assert np.allclose((x_with_ones.T @ dL_ds)[-1], dL_db)

# %%
f = 1 / (1 + np.exp(-s))
by_hand = x.T @ (dL_dx_next * f * (1 - f))
tW.zero_grad()
dense(x, tW, tb, "sigmoid").backward(dL_dx_next)
print(f"sigmoid: differs by {abs(tW.grad.numpy() - by_hand).max():.1e}")
assert np.allclose(tW.grad.numpy(), by_hand)

# %% [markdown]
# 3. ∂L/∂W and ∂L/∂b are sums over the batch and grow with it (like its square root here, where
#    what arrives is random). ∂L/∂x has a row for each example and does not. A loss that averages
#    over the batch, as `cross_entropy` does, takes that growth out again.
