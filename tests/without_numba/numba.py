"""Stands in Numba's place on PYTHONPATH, so that tests run as where Numba is not installed."""

raise ImportError("Numba is kept out of these tests")
