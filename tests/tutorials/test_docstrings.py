"""The house's docstrings as reStructuredText: tutorials/site/docstrings.py."""

import importlib.util
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "tutorials" / "site"


@pytest.fixture(scope="module")
def docstrings():
    spec = importlib.util.spec_from_file_location("site_docstrings", SITE / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def rst(docstrings, text):
    return "\n".join(docstrings.as_rst(text.splitlines())).strip("\n")


def test_what_looks_like_markup_stands_as_it_is(docstrings):
    text = r"|x| ≤ a* · b*, y_ik, x_ and c\d"
    assert rst(docstrings, text) == r"\|x\| ≤ a\* · b\*, y\_ik, x\_ and c\\d"


def test_a_paragraph_does_not_become_a_list(docstrings):
    assert rst(docstrings, "a. b") == r"\ a. b"
    assert rst(docstrings, "- a") == r"\ - a"


def test_names_may_lead_somewhere_and_other_code_does_not(docstrings):
    assert rst(docstrings, "See `engine.trace()`.") == (
        r"See \ :py:obj:`engine.trace() <engine.trace>`\ ."
    )
    assert rst(docstrings, "`t[0] * a_`") == r"\ ``t[0] * a_``\ "


def test_code_keeps_its_lines_and_its_blank_ones(docstrings):
    assert rst(docstrings, "It does\n\n    if a:\n\n      b()\n\nand ends.") == (
        "It does\n\n.. code-block:: python\n\n        if a:\n\n          b()\n\nand ends."
    )


def test_what_is_no_code_is_not_coloured_as_code(docstrings):
    assert rst(docstrings, "It is\n\n    x⁽ⁱ⁺¹⁾ = f(s)   and so on") == (
        "It is\n\n.. code-block:: text\n\n        x⁽ⁱ⁺¹⁾ = f(s)   and so on"
    )


def test_names_in_a_column_become_a_list_of_links(docstrings):
    assert rst(docstrings, "Two.\n\ngain       how much\nq, q_star  a* or b") == (
        "Two.\n\n* \\ :py:obj:`gain <gain>`\\ : how much\n"
        "* \\ :py:obj:`q <q>`\\ , \\ :py:obj:`q_star <q_star>`\\ : a\\* or b"
    )


def test_sections(docstrings):
    text = """It does.

Args:
    x: (batch, fan_in), or
        with any axes.
    W, b: weights.
Raises: ShapeError if
    it does not."""
    assert rst(docstrings, text) == (
        "It does.\n\n"
        ":Args:\n    * **x**: (batch, fan\\_in), or with any axes.\n    * **W, b**: weights.\n\n"
        ":Raises:\n    ShapeError if it does not."
    )


def test_lines_that_others_continue_are_entries_of_a_list(docstrings):
    assert rst(docstrings, '"a", one\n    more\n"b", two') == '* "a", one more\n* "b", two'


def test_an_opening_before_a_list(docstrings):
    assert rst(docstrings, "Attributes, of\neach layer:\n    x: the input.") == (
        "Attributes, of each layer:\n\n* **x**: the input."
    )


def processed(docstrings, text, thing=None, what="function"):
    lines = text.splitlines()
    docstrings._process(None, what, "", thing, None, lines)
    return "\n".join(lines)


def test_a_door_shows_what_is_behind_it(docstrings):
    shown = processed(docstrings, "See `engine.tracing.show.figure.figure`.")
    assert "See" not in shown
    assert ":Raises:" in shown
    shown = processed(docstrings, "One weight, term by term: see `engine.tracing.read.explain`.")
    assert shown.startswith("One weight, term by term.\n")
    assert "with n counting the examples" in shown  # of the module
    assert "**weight**: (j, k)" in shown  # of its function


def test_data_of_builtin_types_have_no_docstring_of_their_own(docstrings):
    assert processed(docstrings, "A dict is …", {}, "data") == ""
    assert processed(docstrings, "A dict is …", {}, "function") != ""


def test_methods_for_other_parts_of_the_engine_are_left_out(docstrings):
    from engine import NodeRecord, Trace

    assert docstrings._skip(None, "", "", NodeRecord.keep, False, None) is True
    assert docstrings._skip(None, "", "", Trace.walk, False, None) is None


def test_types_by_their_names_and_private_ones_not_at_all(docstrings):
    given = "(b: TypeAliasForwardRef('Operand') | None = None)"
    signature = docstrings._signature(None, "", "", None, None, given, "engine.core.context._State")
    assert signature == ("(b: Operand | None = None)", None)
    signature = docstrings._signature(None, "", "", None, None, "()", "engine.Tensor")
    assert signature == ("()", "engine.Tensor")
