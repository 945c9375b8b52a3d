# %% [markdown]
# # 1 · One chain rule
#
# **Question.** A net's loss is one number, computed from thousands of weights. To learn, the net
# needs the derivative of that number with respect to each of them. How can a program find them
# all without computing the loss anew for every weight?
#
# We take a function that fits on a line, find its derivatives on paper, and then write the
# program that does what we did: some thirty lines. At the end the engine gives the same numbers.
#
# *20 minutes to read, a few seconds to run. You need some Python, and to know what a derivative
# is.*

# %%
import itertools
import math

import check
import matplotlib.pyplot as plt
import numpy as np

import engine

# %% [markdown]
# ## By hand
#
# A model as small as can be: it multiplies an input x by a weight w, adds a bias b, and bends the
# result with tanh. The loss L is the square of what it misses the target by. Computed in small
# steps, each from what is already there:

# %%
x, target = 0.5, 1.0
w, b = 1.5, -0.25  # what is to be learned

s = w * x + b
y = math.tanh(s)
e = y - target
L = e * e
print(f"s = {s:.4f}   y = {y:.4f}   e = {e:.4f}   L = {L:.4f}")

# %% [markdown]
# Each step taken alone has an easy derivative, its **local derivative**:
#
# $$\frac{\partial L}{\partial e} = 2e, \quad \frac{\partial e}{\partial y} = 1, \quad
# \frac{\partial y}{\partial s} = 1 - y^2,$$
#
# $$\frac{\partial s}{\partial w} = x, \quad \frac{\partial s}{\partial b} = 1.$$
#
# The **chain rule** says that along the way from w to L they are multiplied. We begin at L's end
# and keep every product, since the next one starts from it:

# %%
dL_de = 2 * e
dL_dy = dL_de * 1
dL_ds = dL_dy * (1 - y * y)
dL_dw = dL_ds * x
dL_db = dL_ds * 1
print(f"∂L/∂w = {dL_dw:.6f}   ∂L/∂b = {dL_db:.6f}")

# %% [markdown]
# Is that right? A derivative is a slope, and a slope can be measured: move w a little to either
# side and see by how much L changes. This is the **central difference**. (A line with `assert`
# holds the text to its numbers: were one of them otherwise, the program would stop there.)


# %%
def loss(w, b):
    return (math.tanh(w * x + b) - target) ** 2


h = 1e-5
measured_w = (loss(w + h, b) - loss(w - h, b)) / (2 * h)
measured_b = (loss(w, b + h) - loss(w, b - h)) / (2 * h)
print(f"measured: ∂L/∂w = {measured_w:.6f}   ∂L/∂b = {measured_b:.6f}")
assert abs(measured_w - dL_dw) < 1e-8
assert abs(measured_b - dL_db) < 1e-8

# %% [markdown]
# In the picture: L as w changes, and the line through our point with the slope that we found.

# %%
around = np.linspace(-1.0, 4.0, 200)
plt.figure(figsize=(6, 3.5), layout="constrained")
plt.plot(around, [loss(v, b) for v in around], label="the loss")
plt.plot(around, L + dL_dw * (around - w), "--", color="tab:orange", label="slope ∂L/∂w")
plt.plot([w], [L], "o", color="black")
plt.ylim(-0.2, 2.8)
plt.xlabel("w")
plt.ylabel("L")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Why from the end
#
# The same factors can be multiplied from the beginning: by how much does s move with w, by how much
# does y, and so on up to L. Then b needs a walk of its own:

# %%
ds_dw, ds_db = x, 1.0
dy_dw, dy_db = (1 - y * y) * ds_dw, (1 - y * y) * ds_db
de_dw, de_db = 1 * dy_dw, 1 * dy_db
print(f"∂L/∂w = {2 * e * de_dw:.6f}   ∂L/∂b = {2 * e * de_db:.6f}")
assert math.isclose(2 * e * de_dw, dL_dw)
assert math.isclose(2 * e * de_db, dL_db)

# %% [markdown]
# Each line did its work twice. From the end, `dL_ds` was found once and served both: whatever lies
# before s needs nothing but `dL_ds`. And measuring took two evaluations of L for every derivative.
# So for any number of weights:

# %%
print("  weights   evaluations to measure   walks from the beginning   walks from the end")
for n in (2, 1000, 1_000_000):
    print(f"{n:>9,} {2 * n:>24,} {n:>26,} {1:>20}")

# %% [markdown]
# ## A program that does it
#
# While the function is being computed, each number must remember two things: from which numbers
# it came, its *parents*, and the local derivative for each of them. That record is called the
# **tape**. Besides, every one is numbered as it is made, 0, 1, 2 and so on; we shall need that.

# %%
numbers = itertools.count()


class Value:
    """A number that remembers its parents, and for each the local derivative."""

    def __init__(self, data, parents=()):
        self.data, self.parents = data, parents
        self.grad, self.number = 0.0, next(numbers)

    def __add__(self, other):
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])


product = Value(3.0) * Value(5.0)
print(product.data, "with parents", [(parent.data, local) for parent, local in product.parents])

# %% [markdown]
# The local derivatives of a sum a + c are 1 and 1; those of a product a·c are c for a, and a for c:
# so the parent 3 goes with 5, and 5 with 3. To add an operation is to write its local derivatives
# beside it, and nothing else. Here is tanh:


# %%
def tanh(v):
    y = math.tanh(v.data)
    return Value(y, [(v, 1 - y * y)])


at_1 = tanh(Value(1.0))
print(f"tanh 1 = {at_1.data:.4f}, with the local derivative {at_1.parents[0][1]:.4f}")

# %% [markdown]
# Now the way back. The plainest idea: start at L with 1, since ∂L/∂L = 1. Each number adds what
# arrives to its `grad`, and hands it on to its parents, times the local derivative.

# %%
calls = 0


def backward_by_paths(v, arriving=1.0):
    global calls
    calls += 1
    v.grad += arriving
    for parent, local in v.parents:
        backward_by_paths(parent, arriving * local)


a = Value(3.0)
backward_by_paths(a * a)
print("∂(a²)/∂a at a = 3:", a.grad)
assert a.grad == 6

# %% [markdown]
# It is right, and here is why it must **add**: a² is a·a, so `a` is reached twice, by two paths,
# and each brings 3. A program that had written `v.grad = arriving` would have said 3.
#
# Its weakness is the same fact. Let y double, and double again: each time y is used twice, so the
# paths double too.

# %%
for depth in (1, 2, 3, 10, 16):
    y = a = Value(1.0)
    for _ in range(depth):
        y = y + y
    calls = 0
    backward_by_paths(y)
    print(f"depth {depth:>2}: ∂y/∂a = {a.grad:>7.0f}, found in {calls:>6} calls")
assert calls == 2**17 - 1
years = 2**61 / 1e6 / (365 * 24 * 3600)
print(f"depth 60: {years:,.0f} years, at a million calls a second")

# %% [markdown]
# Sixteen doublings are seventeen numbers, and yet so many calls. Each number should be visited
# **once**, after *everything* that arrives at it has been added up.
#
# Does the order matter? Take L = a·c with a = x² and c = a + x. Here `a` is used twice, by L and
# by c. We visit each once, but `a` before `c`:

# %%
x_ = Value(3.0)
a = x_ * x_
c = a + x_
loss_ = a * c
loss_.grad = 1.0
for v in (loss_, a, c, x_):  # the wrong order: c still has something to hand to a
    for parent, local in v.parents:
        parent.grad += v.grad * local
print(f"a handed on what L had sent it, {c.data:.0f}; then c sent {a.data:.0f} more")
print(f"wrong order: {x_.grad:.0f}   right, 4x³ + 3x²: {4 * 3**3 + 3 * 3**2}")
assert (c.data, a.data, x_.grad) == (12, 9, 81)

# %% [markdown]
# `a` had handed on 12 when c's 9 arrived, and those 9 never went on to x. A number may be visited
# when all that was computed *from* it has been. And there is an easy order of that kind: a number
# is always made after its parents. So **sort by number and go downward**.


# %%
def backward(loss):
    found, open_ = {loss}, [loss]
    while open_:  # everything that the loss was computed from
        for parent, _ in open_.pop().parents:
            if parent not in found:
                found.add(parent)
                open_.append(parent)
    loss.grad = 1.0
    for v in sorted(found, key=lambda v: v.number, reverse=True):
        for parent, local in v.parents:
            parent.grad += v.grad * local


# %% [markdown]
# This is the whole program: `Value` with an operation or two, and `backward`. First the case that
# went wrong:

# %%
for v in (loss_, a, c, x_):
    v.grad = 0.0
backward(loss_)
print(f"sorted: {x_.grad:.0f}")
assert x_.grad == 135

# %% [markdown]
# Then sixty doublings:

# %%
y = a = Value(1.0)
for _ in range(60):
    y = y + y
backward(y)
print(f"sixty doublings: {a.grad:.0f} = 2⁶⁰")
assert a.grad == 2**60

# %% [markdown]
# And a chain of 20,000 steps. (No function calls itself here, so no chain is too deep for Python.)

# %%
one, v = Value(1.0), Value(0.0)
end = v
for _ in range(20_000):
    end = end + one
backward(end)
print("20,000 steps: ∂end/∂v =", v.grad, "  ∂end/∂one =", one.grad)
assert (v.grad, one.grad) == (1, 20_000)

# %% [markdown]
# And the model of the beginning. Where we had y − target, there is now y + (−target).

# %%
w_, b_ = Value(w), Value(b)
e_ = tanh(w_ * Value(x) + b_) + Value(-target)
backward(e_ * e_)
print(f"by our program: ∂L/∂w = {w_.grad:.6f}   ∂L/∂b = {b_.grad:.6f}")
assert math.isclose(w_.grad, dL_dw)
assert math.isclose(b_.grad, dL_db)

# %% [markdown]
# ## The engine does the same
#
# `engine.Tensor` is `Value` for whole arrays. `requires_grad=True` marks what we want derivatives
# of. The sweep in `engine/core/tape.py` is our `backward`: it takes numbers from the highest
# downward and adds up what arrives.

# %%
tensor_w = engine.Tensor(w, requires_grad=True)
tensor_b = engine.Tensor(b, requires_grad=True)
tensor_e = engine.tanh(tensor_w * x + tensor_b) - target
(tensor_e * tensor_e).backward()
print(f"by the engine: ∂L/∂w = {tensor_w.grad.item():.6f}   ∂L/∂b = {tensor_b.grad.item():.6f}")
assert math.isclose(tensor_w.grad.item(), dL_dw)
assert math.isclose(tensor_b.grad.item(), dL_db)

# %% [markdown]
# With arrays, every entry has its derivative. And `engine.gradcheck` does what we did at the
# beginning: it compares all of them with central differences, and raises an error if one differs.

# %%
many = engine.Tensor(np.linspace(-2, 2, 5), requires_grad=True)
engine.tanh(many).sum().backward()
print("entries:     ", many.numpy())
print("derivatives: ", many.grad.numpy().round(4))
report = engine.gradcheck(lambda v: engine.tanh(v).sum(), many)
print(f"gradcheck compared {report.compared} entries; largest error {report.largest_error:.0e}")

# %% [markdown]
# One habit of `grad` to know before going on: since it adds, it also adds the *next* loss to the
# last one, until it is told to forget.

# %%
v = engine.Tensor(3.0, requires_grad=True)
for _ in range(2):
    (v * v).backward()
    print("grad:", v.grad.item())
v.zero_grad()
(v * v).backward()
print("after zero_grad:", v.grad.item())
assert v.grad.item() == 6

# %% [markdown]
# ## Exercises
#
# Replace each `...` by your answer. The check says what is wrong, and does not give the answer
# away. Solutions are at the end of the file.
#
# **1. Another operation.** `Value` can't divide yet. For y = a / b, of plain numbers, return y
# and its two local derivatives.


# %%
def division_rule(a, b):
    return ..., ..., ...  # y, ∂y/∂a, ∂y/∂b


check.division_rule(division_rule)

# %% [markdown]
# **2. Two paths.** With paper: L = a·c, where a = x·y and c = tanh x. Return ∂L/∂x and ∂L/∂y for
# any x and y.


# %%
def two_paths(x, y):
    return ..., ...  # ∂L/∂x, ∂L/∂y


check.two_paths(two_paths)

# %% [markdown]
# **3. How many calls?** For 1, 2, 3, 10 and 16 doublings we saw how often `backward_by_paths` was
# called. How often is it, for any number of them?


# %%
def calls_by_paths(depth):
    return ...  # the number of calls, for `depth` doublings


check.calls_by_paths(calls_by_paths)

# %% [markdown]
# ## What we have
#
# - A derivative of a whole program is local derivatives, multiplied along paths and added over
#   paths: that is all of the chain rule.
# - From the end, one walk finds the derivatives with respect to every input.
# - Each number once, after all that was computed from it: hence the sort. Many uses: hence `+=`.
#
# Next, in tutorial 2, the operation is a whole layer of a net.
#
# ## Solutions


# %%
def division_rule_solution(a, b):
    return a / b, 1 / b, -a / b**2  # a / b = a · b⁻¹, and b⁻¹ has the slope −b⁻²


assert check.division_rule(division_rule_solution)


# %%
def two_paths_solution(x, y):
    a, c = x * y, math.tanh(x)
    dL_da, dL_dc = c, a
    return dL_da * y + dL_dc * (1 - c * c), dL_da * x


assert check.two_paths(two_paths_solution)


# %% [markdown]
# 3. The first call makes two, each of these two more, down to a: 1 + 2 + 4 + … + 2ⁿ = 2ⁿ⁺¹ − 1.


# %%
def calls_by_paths_solution(depth):
    return 2 ** (depth + 1) - 1


assert check.calls_by_paths(calls_by_paths_solution)
