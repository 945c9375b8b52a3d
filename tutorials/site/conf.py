"""Sphinx's settings for the site: the tutorials, run; the READMEs; the reference from docstrings.

    sphinx-build -W -c tutorials/site . build/site

Pages stand where their sources stand in the repository, so the links between the READMEs and the
tutorials are the site's links too, and -W stops at one that leads nowhere.
"""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "gradtrace"
version = release = version_of("gradtrace")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "docstrings",
    "folders",
    "mathml",
]
root_doc = "README"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "engine/kernels/README.md",
    "experiments/README.md",
    "experiments/data/README.md",
    "tutorials/README.md",
    "tutorials/[0-9]*.py",
    "tutorials/site/*.rst",
]
# Folders that Sphinx need not walk through.
exclude_patterns = ["build", "dist", "results", "tests", ".*", "**/__pycache__", "*.egg-info"]

# --- Markdown and the tutorials ------------------------------------------------------------------

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ("percent.read", {})}
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
# It says that kernels are being compiled; warnings the tutorials' tests refuse.
nb_output_stderr = "remove"
# Pictures sharp on every screen.
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")

# --- the reference -------------------------------------------------------------------------------

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
# Types by their names, instead of what they stand for.
autodoc_type_aliases = {
    name: name
    for name in (
        *("Array", "Axis", "Function", "Keep", "Mode", "Operand", "Rng"),
        *("npt.ArrayLike", "npt.DTypeLike"),
    )
}
maximum_signature_line_length = 110
python_use_unqualified_type_names = True
smartquotes = False  # "fan_in" in a docstring is code
add_module_names = False
toc_object_entries_show_parents = "hide"

# --- how it looks --------------------------------------------------------------------------------

html_theme = "furo"
html_title = "gradtrace"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
