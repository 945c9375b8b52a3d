"""Scripts that run in processes of their own: `serve.py` is started with one of the others.

They are files to be run by path, because an interpreter that has PyTorch need not have gradtrace:
`serve.py`, `numpy_work.py` and `torch_work.py` import the standard library, NumPy and PyTorch
alone, and nothing of each other.
"""
