"""What all tests share: the settings of the property-based ones, and one thread for kernels."""

from hypothesis import settings

from engine.kernels import use_threads

# The same examples in every run: a test that fails, fails again. No deadline, because the first
# example may have to compile a kernel.
settings.register_profile(
    "gradtrace", deadline=None, derandomize=True, max_examples=20, database=None
)
settings.load_profile("gradtrace")

# The tests themselves run side by side, and threads of several processes that wait for each other
# on the same cores are many times slower than one thread. Tests of threads ask for more.
use_threads(1)
