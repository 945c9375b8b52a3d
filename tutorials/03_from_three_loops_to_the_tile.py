# %% [markdown]
# # 3 · From three loops to the tile
#
# **Question.** Nearly all of a net's work is matrix products. Three loops of Python compute one;
# the processor could do it thousands of times as fast. What lies between, step by step, and what
# does each step buy on *this* machine?
#
# We begin with the definition and end at the kernel that the engine uses. Every step is a
# function of a few lines, a number, and a reason. Then the same for an activation.
#
# *25 minutes to read, about 20 seconds to run, and a minute the first time. Tutorial 2 comes
# before: where the products come from. The numbers are your machine's, so the text names none; run
# it with nothing else going on.*

# %%
import math
import os
import time

import check
import matplotlib.pyplot as plt
import numba
import numpy as np

from engine import gradcheck, sigmoid
from engine.kernels import KERNELS, matmul
from engine.kernels.compiled import tile
from experiments.speed import steps

small = "GRADTRACE_SMALL" in os.environ  # the tests take small matrices
numba.set_num_threads(1)  # one core: we look at what one core can do

# %% [markdown]
# ## The work
#
# C = A·B means C_ik = Σ_j A_ij B_jk: for every i, k and j one multiplication, and one addition to
# the sum. A large product takes many, whatever the program; what differs is how many are done in a
# second. We count in **GF/s**, billions (G) of multiplications and additions of floating-point
# numbers (F) a second.

# %%
n = 256 if small else 1024
rng = np.random.default_rng(0)
A = rng.normal(size=(n, n)).astype(np.float32)
B = rng.normal(size=(n, n)).astype(np.float32)
operations = 2 * n**3
print(f"{n} × {n} times {n} × {n}: {operations / 1e9:.2f} billion multiplications and additions")

# %% [markdown]
# To time a function: call it once with a corner of the matrices, as a first call may take longer;
# then take the best of several, since whatever else the machine does can only make it slower.

# %%
rates = {}


def rate(name, product, a, b, seconds=0.3):
    """Print and keep the GF/s of a product."""
    product(a[:8, :8].copy(), b[:8, :8].copy())
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:  # two: the whole may have a first call too
        start = time.perf_counter()
        product(a, b)
        times.append(time.perf_counter() - start)
    rates[name] = 2 * a.shape[0] * a.shape[1] * b.shape[1] / min(times) / 1e9
    print(f"{name}: {rates[name]:.3g} GF/s")


# %% [markdown]
# ## Three loops
#
# The definition, in Python. A corner of the matrices is enough.


# %%
def three_loops(a, b):
    out = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(a.shape[0]):
        for k in range(b.shape[1]):
            total = a.dtype.type(0)
            for j in range(a.shape[1]):
                total += a[i, j] * b[j, k]
            out[i, k] = total
    return out


rate("Python", three_loops, A[:48, :48], B[:48, :48])
print(f"the whole product would take {operations / rates['Python'] / 1e9:.0f} s")

# %% [markdown]
# For each number Python makes an object, looks up what `*` means for it, and throws it away.
#
# **Compiled**, a number is a number. Numba reads the same function and makes machine code of it
# when it is first called. Not a line of it changes:

# %%
compiled = numba.njit(three_loops)
rate("compiled", compiled, A, B)
print(f"{rates['compiled'] / rates['Python']:.0f} times as fast as Python")
assert np.allclose(compiled(A[:48, :48], B[:48, :48]), three_loops(A[:48, :48], B[:48, :48]))
assert rates["compiled"] > 3 * rates["Python"]

# %% [markdown]
# ## How memory is read
#
# Memory comes to the processor in *lines* of many bytes, and the last ones are kept near by, in the
# **cache**. Reading along a row uses all of each line. Reading down a column takes one number
# of each line, and by the time the next column is due, the line is gone. To see it, one more clock,
# for functions of one array:


# %%
def nanoseconds(function, array):
    """The best time of several calls, for each number of the array."""
    function(array)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function(array)
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / array.size


print(f"NumPy's sum of A: {nanoseconds(np.sum, A):.2f} ns a number")

# %% [markdown]
# Add up a large matrix both ways. (`large.T` is the same memory; what were columns are its rows.)


# %%
@numba.njit
def add_up(m):
    total = m.dtype.type(0)
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            total += m[i, j]
    return total


large = rng.normal(size=(4 * n, 4 * n)).astype(np.float32)
print(f"along rows: {nanoseconds(add_up, large):.2f} ns a number")
print(f"down columns: {nanoseconds(add_up, large.T):.2f} ns a number")

# %% [markdown]
# ## Another order of the loops
#
# In the three loops, the innermost one goes down a column of B. It has a second fault: each
# addition waits for the sum of the one before. Both go away if j is outside and k inside: then
# row i of C collects rows of B, each times a number. The innermost loop runs along two rows, and
# its entries don't wait for each other.


# %%
@numba.njit(fastmath={"contract"})  # a product and a sum may be one instruction
def along_rows(a, b):
    out = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(a.shape[0]):
        row = out[i]
        for j in range(a.shape[1]):
            factor, row_of_b = a[i, j], b[j]
            for k in range(b.shape[1]):
                row[k] += factor * row_of_b[k]
    return out


rate("along rows", along_rows, A, B)
print(f"{rates['along rows'] / rates['compiled']:.1f} times as fast as before")

# %% [markdown]
# Entries that don't wait for each other can be done together. A **vector** instruction takes
# several numbers at once, as many as a register of the processor holds, and multiplies and adds
# them in one go. Here:

# %%
lanes = tile.SHAPE.bits // 32
print(f"a register has {tile.SHAPE.bits} bits: {lanes} numbers of 32 bits (float32)")

# %% [markdown]
# ## Keep B near
#
# Now for each row of C all of B passes by; if B is larger than the cache, it comes from far away
# each time. So take **a block** of B, a few rows that fit, and use it for all rows of A before
# going on. Nothing but the order of the same additions changes.

# %%
BLOCK = 64


@numba.njit(fastmath={"contract"})
def blocked(a, b):
    out = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for top in range(0, a.shape[1], BLOCK):
        for i in range(a.shape[0]):
            row = out[i]
            for j in range(top, min(top + BLOCK, a.shape[1])):
                factor, row_of_b = a[i, j], b[j]
                for k in range(b.shape[1]):
                    row[k] += factor * row_of_b[k]
    return out


rate("blocked", blocked, A, B)
print(f"the block: {BLOCK * n * 4 // 1024} KiB of {n * n * 4 // 1024} KiB")

# %% [markdown]
# ## Load and store less
#
# Still, each multiply-add loads an entry of C and one of B, and stores C again. The arithmetic
# waits for the traffic. From here on the functions are longer; they are in
# `experiments/speed/steps.py`, to be read:
#
# - **eight rows** of B in one pass: C is loaded and stored once for eight products;
# - **packed**: the block copied into one piece, so that its rows do not push each other out of the
#   cache;
# - **in registers**: a *tile* of C, a few rows and a few vectors wide, stays in the registers of
#   the processor while all products for it are added. C is not loaded at all;
# - **both**: packed and in registers, the product that the engine uses.

# %%
rate("eight rows", steps.eight_rows, A, B)
rate("packed", steps.packed, A, B)
rate("in registers", steps.register_tiles, A, B)
rate("both: matmul", matmul, A, B)
largest = abs(matmul(A, B) - A.astype(np.float64) @ B).max()
print(f"largest error of the last: {largest:.1e}, where entries are about {np.sqrt(n):.0f}")
assert largest < 1e-5 * n
gained = rates["both: matmul"] / rates["Python"]
print(f"{gained:,.0f} times as fast as Python")
assert gained > 1000

# %% [markdown]
# Why a tile? For each j it loads one row of B's tile and one number of A for each of its rows, and
# does rows × vectors multiply-adds with them. The more of them for a load, the less the arithmetic
# waits; but the whole tile must fit the registers.

# %%
rows, vectors = tile.SHAPE.rows, tile.SHAPE.vectors
loads = vectors + rows
print(f"the tile: {rows} rows × {vectors} vectors = {rows * vectors} registers")
print(f"for each j: {loads} loads, {rows * vectors} multiply-adds of {lanes} numbers")
print(f"multiply-adds for a load: {rows * vectors / loads:.1f}; along rows it was 1 for 2 loads")

# %% [markdown]
# All steps in one picture. Mind the axis: each number on it is ten times the one before. (A step
# may buy little on one machine and much on another, or where the matrices are larger.)

# %%
plt.figure(figsize=(7, 3.5), layout="constrained")
plt.semilogx(list(rates.values()), list(rates), "o")
for name, gf in rates.items():
    plt.annotate(f"{gf:.2g}", (gf, name), (8, 0), textcoords="offset points", va="center")
plt.xlim(right=3 * max(rates.values()))
plt.gca().invert_yaxis()
plt.grid(alpha=0.3)
plt.xlabel(f"GF/s, {n} × {n}, float32, one core")
plt.show()

# %% [markdown]
# `gradtrace run speed --groups steps roofline --threads 1` measures them with more care, beside the
# peak of the processor's arithmetic; `engine/kernels/README.md` tells the rest of the story.
#
# ## An activation
#
# The other part of a layer is f of every entry. The sigmoid 1 / (1 + e⁻ˢ) needs e^x, and the C
# library computes that one number at a time. How can it be done with vectors? With nothing but
# arithmetic: split x into a multiple of ln 2 and a small rest,
#
# $$x = n \ln 2 + r, \quad |r| \le \tfrac12 \ln 2,$$
#
# $$e^x = 2^n e^r.$$
#
# A float is stored as digits times a power of two, so multiplying it by 2ⁿ adds n to that power and
# is exact. For small r a polynomial is enough: e^r ≈ 1 + r + r²/2 + r³/6 + … Of which degree?

# %%
r = np.linspace(-math.log(2) / 2, math.log(2) / 2, 2001)
degrees = range(1, 12)
errors = []
for degree in degrees:
    polynomial = sum(r**m / math.factorial(m) for m in range(degree + 1))
    errors.append(abs(polynomial / np.exp(r) - 1).max())
enough = next(d for d, error in zip(degrees, errors, strict=True) if error < 2**-24)
print(f"degree {enough}: relative error {errors[enough - 1]:.0e}; rounding makes {2**-24:.0e}")

# %% [markdown]
# The error by degree, and where float32's rounding lies:

# %%
plt.figure(figsize=(6, 3.5), layout="constrained")
plt.semilogy(degrees, errors, "o-")
plt.axhline(2**-24, color="black", linestyle=":", label="half of float32's last digit")
plt.xlabel("degree of the polynomial")
plt.ylabel("largest relative error of e^r")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# These coefficients are best at r = 0. If they are fitted to all r that can come, one degree less
# is enough:

# %%
fitted = np.polynomial.Chebyshev.fit(r, np.exp(r), enough - 1)
error = abs(fitted(r) / np.exp(r) - 1).max()
print(f"degree {enough - 1}, fitted: relative error {error:.0e}")
assert error < 2**-24 < errors[enough - 2]

# %% [markdown]
# With that, e^x of a float32 is a few multiplications and additions, which the compiler turns
# into vectors. `engine/kernels/exponential.py` does so; from it come the engine's sigmoid and tanh.
# `KERNELS["sigmoid"].value` is the engine's compiled f, from array to array. Beside it the same
# with the C library's exp:


# %%
@numba.njit
def sigmoid_of_the_library(s):
    y = np.empty_like(s)
    for i in range(s.size):
        y[i] = 1 / (1 + math.exp(-s[i]))
    return y


s = rng.normal(0, 3, 100_000 if small else 1_000_000).astype(np.float32)
print(f"sigmoid, library's exp: {nanoseconds(sigmoid_of_the_library, s):.2f} ns a number")
print(f"sigmoid, engine's: {nanoseconds(KERNELS['sigmoid'].value, s):.2f} ns a number")

# %% [markdown]
# Faster must not mean wrong. Against float64, in units of float32's last digit; and its slope,
# against a central difference:

# %%
exact = 1 / (1 + np.exp(-s.astype(np.float64)))
error = abs(KERNELS["sigmoid"].value(s) - exact) / np.spacing(exact.astype(np.float32))
print(f"largest error: {error.max():.2f} units in the last place")
assert error.max() < 2
report = gradcheck(lambda v: sigmoid(v).sum(), np.linspace(-6, 6, 13))
print(f"gradcheck compared {report.compared} slopes; largest error {report.largest_error:.0e}")

# %% [markdown]
# ## Exercises
#
# **1. The work of a layer.** How many multiply-adds do the products of a layer take, forward and
# backward together? (One multiplication with its addition counts as one.)


# %%
def multiply_adds(batch, n_in, n_out):
    return ...  # a number


check.multiply_adds(multiply_adds)

# %% [markdown]
# **2. Split the exponent.** For a number x, return n and r with x = n ln 2 + r, n whole and r as
# small as it can be.


# %%
def split_exponent(x):
    return ..., ...  # n, r


check.split_exponent(split_exponent)

# %% [markdown]
# **3. A sigmoid that survives.** With NumPy, for a float32 array s: 1 / (1 + e⁻ˢ), right also at
# ±1000, at ±∞ and at NaN, where it is NaN, and without a warning. So e must not be raised to
# anything large.


# %%
def stable_sigmoid(s):
    return ...  # an array like s


check.stable_sigmoid(stable_sigmoid)

# %% [markdown]
# ## What we have
#
# - The number of multiplications is fixed; time goes into fetching what is to be multiplied.
# - So: no objects, rows rather than columns, blocks that stay in the cache, and sums that stay in
#   registers. Entries that don't wait for each other become vectors.
# - A function like e^x becomes fast when it becomes arithmetic, and it must then be shown exact.
#
# Next, in tutorial 4: a deep net of these layers, and a gradient that does not arrive.
#
# ## Solutions


# %%
def multiply_adds_solution(batch, n_in, n_out):
    return 3 * batch * n_in * n_out  # xW, xᵀ · ∂L/∂s and ∂L/∂s · Wᵀ


assert check.multiply_adds(multiply_adds_solution)


# %%
def split_exponent_solution(x):
    n = round(x / math.log(2))  # the nearest whole number
    return n, x - n * math.log(2)


assert check.split_exponent(split_exponent_solution)


# %%
def stable_sigmoid_solution(s):
    e = np.exp(-abs(s))  # between 0 and 1, whatever s is
    return np.where(s < 0, e, 1) / (1 + e)


assert check.stable_sigmoid(stable_sigmoid_solution)
