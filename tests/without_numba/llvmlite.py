"""Stands in llvmlite's place, as numba.py beside this file."""

raise ImportError("llvmlite is kept out of these tests")
