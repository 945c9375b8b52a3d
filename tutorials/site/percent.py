"""A tutorial's .py file as a notebook, through jupytext."""

from __future__ import annotations

import jupytext
from nbformat import NotebookNode


def read(text: str) -> NotebookNode:
    """The notebook of a file in percent format.

    It names its kernel, which the file does not, so that Jupyter opens the executed notebook
    without asking for one.
    """
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python", "pygments_lexer": "ipython3"},
    )
    return notebook
