"""Initial weights: the variance that each scheme promises, by its formula and by sampling."""

import math

import numpy as np
import pytest

import engine
from nn import init
from nn.init import Initializer, fan_in_and_out, find_initializer

# Many weights each; (fan_in, fan_out) differ by more than any tolerance below.
WIDE, TALL, KERNEL = (200, 800), (800, 200), (3, 3, 16, 32)
FANS = {WIDE: (200, 800), TALL: (800, 200), KERNEL: (144, 288)}

# The scheme, Var as the papers have it, and whether it draws from a uniform distribution.
FORMULAS = [
    ("normal(0.05)", init.normal(0.05), lambda i, o: 0.0025, False),
    ("standard", init.standard(), lambda i, o: 1 / (3 * i), True),
    ("xavier_uniform", init.xavier_uniform(), lambda i, o: 2 / (i + o), True),
    ("xavier_uniform, gain 3", init.xavier_uniform(3.0), lambda i, o: 18 / (i + o), True),
    ("xavier_normal", init.xavier_normal(), lambda i, o: 2 / (i + o), False),
    ("xavier_normal, gain 5/3", init.xavier_normal(5 / 3), lambda i, o: 50 / 9 / (i + o), False),
    ("kaiming_uniform", init.kaiming_uniform(), lambda i, o: 2 / i, True),
    ("kaiming_uniform, fan_out", init.kaiming_uniform("fan_out"), lambda i, o: 2 / o, True),
    ("kaiming_uniform, gain 1", init.kaiming_uniform(gain=1.0), lambda i, o: 1 / i, True),
    ("kaiming_normal", init.kaiming_normal(), lambda i, o: 2 / i, False),
    ("kaiming_normal, fan_out", init.kaiming_normal("fan_out"), lambda i, o: 2 / o, False),
    ("kaiming_normal, gain 3", init.kaiming_normal("fan_out", 3.0), lambda i, o: 9 / o, False),
    ("lecun_uniform", init.lecun_uniform(), lambda i, o: 1 / i, True),
    ("lecun_normal", init.lecun_normal(), lambda i, o: 1 / i, False),
]
SCHEMES = pytest.mark.parametrize(
    ("scheme", "formula", "uniform"), [row[1:] for row in FORMULAS], ids=[r[0] for r in FORMULAS]
)
SHAPES = pytest.mark.parametrize("shape", [WIDE, TALL, KERNEL], ids=["wide", "tall", "kernel"])


def draws(scheme, shape, least=400_000):
    """At least that many weights: the standard error of their variance is below .25 %."""
    rng = np.random.default_rng(0)
    n = math.ceil(least / math.prod(shape))
    return np.concatenate([scheme(shape, rng, np.float64).reshape(-1) for _ in range(n)])


def test_every_scheme_has_its_formula_here():
    tested = {name.split(",")[0] for name, *_ in FORMULAS}
    assert set(init.SCHEMES) - tested == {"zeros", "orthogonal"}
    assert all(make().name == name for name, make in init.SCHEMES.items())


@pytest.mark.parametrize("fans", [(7, 3), (3, 7), (144, 288), (1, 1)])
@SCHEMES
def test_the_promised_variance_is_the_formula(scheme, formula, uniform, fans):
    assert scheme.variance(*fans) == pytest.approx(formula(*fans), rel=1e-12)


@SHAPES
@SCHEMES
def test_the_sampled_variance_is_the_formula_and_the_promise(scheme, formula, uniform, shape):
    w = draws(scheme, shape)
    expected = formula(*FANS[shape])
    assert w.var() == pytest.approx(expected, rel=0.012)
    assert w.var() == pytest.approx(scheme.variance(*FANS[shape]), rel=0.012)
    assert abs(w.mean()) < 5 * math.sqrt(expected / w.size)


@SHAPES
@SCHEMES
def test_uniform_up_to_its_bound_or_normal_to_its_tails(scheme, formula, uniform, shape):
    """U[−a, a] reaches a = √(3 Var) and no further; kurtosis 1.8 and 3 (cut at 2σ: 2.4)."""
    w = draws(scheme, shape)
    sd = math.sqrt(formula(*FANS[shape]))
    kurtosis = np.mean(w**4) / np.mean(w**2) ** 2
    assert kurtosis == pytest.approx(1.8 if uniform else 3.0, rel=0.02)
    largest = np.abs(w).max() / sd
    if uniform:
        assert math.sqrt(3) * 0.999 < largest <= math.sqrt(3) * (1 + 1e-12)
    else:
        assert largest > 4


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        (init.standard(), 1 / math.sqrt(200)),
        (init.xavier_uniform(), math.sqrt(6 / 1000)),
        (init.kaiming_uniform(), math.sqrt(6 / 200)),
        (init.lecun_uniform(), math.sqrt(3 / 200)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_bounds_as_the_docstrings_write_them(scheme, bound):
    w = np.abs(scheme(WIDE, 0, np.float64))
    assert 0.999 * bound < w.max() <= bound * (1 + 1e-12)


def test_the_default_gain_of_kaiming_is_relus():
    for shape in (WIDE, TALL, KERNEL):
        fan_in, fan_out = FANS[shape]
        assert init.kaiming_normal().variance(fan_in, fan_out) * fan_in == pytest.approx(2)
        assert init.kaiming_normal("fan_out").variance(fan_in, fan_out) * fan_out == pytest.approx(
            2
        )


def test_zeros_are_zeros():
    w = init.zeros()((3, 4), 0)
    assert not w.any()
    assert not np.signbit(w).any()
    assert init.zeros().variance(3, 4) == 0


@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize("shape", [(40, 15), (15, 40), (25, 25), (1, 9), (9, 1)])
def test_orthogonal_has_orthonormal_columns_or_rows(shape, gain):
    w = init.orthogonal(gain)(shape, 3, np.float64)
    assert w.shape == shape
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(shape)), atol=1e-12)
    assert np.mean(w**2) == pytest.approx(init.orthogonal(gain).variance(*shape))
    assert np.mean(w**2) == pytest.approx(gain**2 / max(shape))


def test_an_orthogonal_kernel_has_the_singular_values_that_are_promised():
    w = init.orthogonal(1.5)(KERNEL, 0, np.float64).reshape(-1, KERNEL[-1])
    np.testing.assert_allclose(np.linalg.svd(w)[1], 1.5, rtol=1e-12)


def test_an_orthogonal_kernel_counts_as_a_matrix():
    w = init.orthogonal()(KERNEL, 0, np.float64)
    columns = w.reshape(-1, 32)
    np.testing.assert_allclose(columns.T @ columns, np.eye(32), atol=1e-12)
    assert np.mean(w**2) == pytest.approx(1 / len(columns))


@pytest.mark.parametrize("shape", [(6, 6), (12, 4)])
def test_orthogonal_matrices_favour_no_sign(shape):
    # QR alone gives a diagonal of R of one sign, and so a first entry of mostly one sign.
    first = [init.orthogonal()(shape, seed, np.float64)[0, 0] for seed in range(400)]
    assert abs(np.mean(np.sign(first))) < 0.2
    assert np.mean(np.square(first)) == pytest.approx(1 / max(shape), rel=0.25)


@pytest.mark.parametrize("name", [name for name in init.SCHEMES if name != "zeros"])
class TestSeeds:
    def test_zero_is_a_seed(self, name):
        scheme = find_initializer(name)
        np.testing.assert_array_equal(scheme((5, 4), 0), scheme((5, 4), 0))
        generator = np.random.default_rng(0)
        np.testing.assert_array_equal(scheme((5, 4), 0), scheme((5, 4), generator))

    def test_other_seeds_give_other_weights(self, name):
        scheme = find_initializer(name)
        drawn = [scheme((5, 4), seed).tobytes() for seed in (0, 1, 2, np.int64(3))]
        assert len(set(drawn)) == 4

    def test_a_generator_advances(self, name):
        scheme, rng = find_initializer(name), np.random.default_rng(0)
        assert scheme((5, 4), rng).tobytes() != scheme((5, 4), rng).tobytes()

    def test_the_global_state_plays_no_part(self, name):
        scheme = find_initializer(name)
        before = scheme((5, 4), 7)
        np.random.seed(1)  # noqa: NPY002
        np.testing.assert_array_equal(scheme((5, 4), 7), before)


@pytest.mark.parametrize(
    ("rng", "error", "words"),
    [
        (True, TypeError, "True"),
        (False, TypeError, "False"),
        (np.True_, TypeError, "True"),
        (1.0, TypeError, "float"),
        ("0", TypeError, "str"),
        (np.random.RandomState(0), TypeError, "RandomState"),
        (-1, ValueError, "-1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_seed(rng, error, words):
    with pytest.raises(error, match=words) as caught:
        init.standard()((2, 3), rng)
    assert "seed" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", init.SCHEMES)
def test_shape_and_dtype(name, dtype):
    scheme = find_initializer(name)
    for shape in ((4, 3), [3, 4], (2, 2, 3, 4), (1, 1)):
        w = scheme(shape, 0, dtype)
        assert (w.shape, w.dtype) == (tuple(shape), dtype)
    assert scheme((4, 3), 0).dtype == np.float32
    # The two precisions hold the same numbers, rounded.
    np.testing.assert_array_equal(
        scheme((4, 3), 0, np.float64).astype(np.float32), scheme((4, 3), 0)
    )


def test_fans():
    assert fan_in_and_out((5, 7)) == (5, 7)
    assert fan_in_and_out((4, 5, 7)) == (20, 28)
    assert fan_in_and_out(KERNEL) == FANS[KERNEL]
    for shape in ((), (3,)):
        with pytest.raises(ValueError, match="fan_in and fan_out"):
            fan_in_and_out(shape)


def test_fans_given_count_instead_of_the_shape():
    b = init.standard()((20_000,), 0, np.float64, fans=(100, 7))
    assert b.var() == pytest.approx(1 / 300, rel=0.02)
    with pytest.raises(ValueError, match=r"\(20,\)"):
        init.standard()((20,), 0)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_gains_and_deviations_are_positive_and_finite(wrong):
    makers = [
        init.normal,
        init.xavier_uniform,
        init.xavier_normal,
        init.orthogonal,
        lambda gain: init.kaiming_uniform(gain=gain),
        lambda gain: init.kaiming_normal("fan_out", gain),
    ]
    for make in makers:
        with pytest.raises(ValueError, match="positive and finite"):
            make(wrong)


@pytest.mark.parametrize("make", [init.kaiming_uniform, init.kaiming_normal])
def test_modes(make):
    with pytest.raises(ValueError, match=r"'fan_avg'.*'fan_in' or 'fan_out'"):
        make("fan_avg")


def test_names():
    for name in init.SCHEMES:
        assert find_initializer(name).name == name
        assert repr(find_initializer(name)) == f"Initializer({name})"
    own = Initializer("own", lambda i, o: 1.0, lambda rng, shape, std: np.full(shape, std))
    assert find_initializer(own) is own
    assert repr(init.normal(0.01)) == "Initializer(normal(0.01))"
    with pytest.raises(ValueError, match="'he'") as caught:
        find_initializer("he")
    for name in (*init.SCHEMES, "nn.init.normal(std)"):
        assert name in str(caught.value)


@pytest.mark.parametrize("name", init.SCHEMES)
class TestRefused:
    @pytest.mark.parametrize(
        ("shape", "fan"),
        [
            ((0, 5), "fan_in = 0"),
            ((5, 0), "fan_out = 0"),
            ((0, 0), "fan_in = 0"),
            ((3, 3, 0, 2), "fan_in = 0"),
            ((0, 3, 4, 2), "fan_in = 0"),
            ((-1, 3), "fan_in = -1"),
        ],
    )
    def test_a_fan_below_one(self, name, shape, fan):
        with pytest.raises(ValueError, match=f"{name}: weights of shape .* have {fan}"):
            find_initializer(name)(shape, 0)
        with pytest.raises(ValueError, match="fan_in = 0"):
            find_initializer(name)((3,), 0, fans=(0, 3))

    @pytest.mark.parametrize("dtype", [int, bool, complex, np.float16, object, "U1", np.int8])
    def test_other_dtypes(self, name, dtype):
        with pytest.raises(engine.DtypeError, match=rf"{name}: dtype .*float32 or float64"):
            find_initializer(name)((2, 3), 0, dtype)

    @pytest.mark.parametrize("shape", [5, (2.5, 3), ("2", 3), None, (None, 3)])
    def test_what_is_no_shape(self, name, shape):
        with pytest.raises(TypeError, match="is no shape of weights"):
            find_initializer(name)(shape, 0)


@pytest.mark.parametrize("name", [name for name in init.SCHEMES if name != "zeros"])
def test_without_a_seed_weights_are_fresh(name):
    scheme = find_initializer(name)
    draws = [scheme((5, 4)), scheme((5, 4)), scheme((5, 4), None), scheme((5, 4), 0)]
    assert len({w.tobytes() for w in draws}) == 4


@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf])
def test_a_scheme_of_ones_own_with_a_variance_that_is_none(variance):
    own = Initializer("own", lambda i, o: variance, lambda rng, shape, std: np.full(shape, std))
    with pytest.raises(ValueError, match="own: the variance of its weights is"):
        own((2, 3), 0)


def test_a_scheme_of_ones_own_that_draws_another_shape():
    own = Initializer("own", lambda i, o: 1.0, lambda rng, shape, std: np.ones(3))
    with pytest.raises(ValueError, match=r"own: its draw gave shape \(3,\) .* \(2, 3\)"):
        own((2, 3), 0)
