"""The house's docstrings as reStructuredText, for Sphinx's autodoc.

A docstring here is plain text: Unicode formulas, names in `backquotes`, indented code, and
sections such as

    Args:
        x: (batch, fan_in), or with any axes
            before the last.

    Raises: ShapeError if the shapes do not fit.

All else is text as it stands: |x|, a* and xavier_uniform_ are no markup.
"""

from __future__ import annotations

import ast
import inspect
import re
from itertools import takewhile
from pydoc import locate
from textwrap import dedent
from typing import Any

SECTION = re.compile(r"(Args|Attributes|Raises|Returns):(?: |$)")
ITEM = re.compile(r"(\w+(?:, \w+)*): ")
COLUMNS = re.compile(r"\S+(?:, \S+)* {2,}\S")
CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*(\(\))?")
PRIVATE = re.compile(r"\b_\w+$")
ALIAS = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")
LIST_MARK = re.compile(r"(?:[-+•]|\(?\w+[.)]) ")  # what would begin a list in reStructuredText
DOOR = re.compile(r"(.*?)(?:: s|S)ee `(engine\.\w+\.\w[\w.]*)`\.", re.S)


def as_rst(lines: list[str]) -> list[str]:
    """The docstring's lines, without their common indentation, as reStructuredText."""
    return [line for block in _blocks(lines) for line in (*_block(block), "")]


def _blocks(lines: list[str]) -> list[list[str]]:
    """What blank lines part, save within code; "Raises:" and "Returns:" need none before them."""
    whole = re.sub(r"\n(?=(?:Raises|Returns):)", "\n\n", "\n".join(lines).strip("\n"))
    blocks: list[str] = []
    for block in re.split(r"\n{2,}", whole):
        if blocks and blocks[-1].startswith(" ") and block.startswith(" "):
            blocks[-1] += f"\n\n{block}"
        else:
            blocks.append(block)
    return [block.splitlines() for block in blocks if block]


def _block(block: list[str]) -> list[str]:
    if block[0].startswith(" "):
        kind = "python" if _is_python(block) else "text"
        return [f".. code-block:: {kind}", "", *(f"    {line}".rstrip() for line in block)]
    if all(COLUMNS.match(line) for line in block):
        return [_named(*re.split(" {2,}", line, maxsplit=1)) for line in block]
    head = list(takewhile(lambda line: not line.startswith(" "), block))
    rest = dedent("\n".join(block[len(head) :])).splitlines()
    section = SECTION.match(head[0])
    if section:
        head[0] = head[0][section.end() :]
    if rest and not "".join(head):
        body = _bullets(rest)
    elif rest and head[-1].endswith(":"):
        body = [_text(head), "", *_bullets(rest)]
    elif rest and not section:
        body = _bullets(block)
    else:
        body = [_text([*head, *rest])]
    return [f":{section[1]}:", *("    " + line for line in body)] if section else body


def _is_python(block: list[str]) -> bool:
    """A formula or a table is none, though words of it may be Python's."""
    try:
        ast.parse(dedent("\n".join(block)))
    except SyntaxError:
        return False
    return True


def _named(names: str, what: str) -> str:
    """An entry of a list of names, each leading to what it names; a telephone can wrap it."""
    return f"* {_text([', '.join(f'`{name}`' for name in names.split(', '))])}: {_text([what])}"


def _bullets(lines: list[str]) -> list[str]:
    """A list with an entry for each line; indented ones continue the one before."""
    entries: list[list[str]] = []
    for line in lines:
        if line.startswith(" "):
            entries[-1].append(line)
        else:
            entries.append([line])
    bullets = []
    for entry in entries:
        name = ITEM.match(entry[0])
        if name:
            entry[0] = entry[0][name.end() :]
        bullets.append(f"* {f'**{name[1]}**: ' if name else ''}{_text(entry)}")
    return bullets


def _text(lines: list[str]) -> str:
    """A paragraph on one line: names as links where they lead somewhere, all else as it stands."""
    whole = " ".join(line.strip() for line in lines)
    parts = CODE.split(whole)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = re.sub(r"[\\*|_]", r"\\\g<0>", part)
        elif name := NAME.fullmatch(part):
            target = part.removesuffix(name[1] or "")
            parts[i] = rf"\ :py:obj:`{part} <{target}>`\ "
        else:
            parts[i] = rf"\ ``{part}``\ "
    return (r"\ " if LIST_MARK.match(whole) else "") + "".join(parts)


def _process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what == "data" and type(thing).__module__ == "builtins":
        lines.clear()  # else it would be said what a dict is
    door = DOOR.fullmatch("\n".join(lines).strip())
    lines[:] = as_rst(_behind(*door.groups()) if door else lines)


def _behind(opening: str, path: str) -> list[str]:
    """What a method that is a door to another module leads to: a reader here wants that."""
    target = locate(path)
    docs = [f"{opening}." if opening else "", inspect.getdoc(target) or ""]
    if inspect.ismodule(target):
        docs[1] = docs[1].partition("\n\n")[2]  # its first paragraph says what the opening says
        docs.append(inspect.getdoc(getattr(target, path.rpartition(".")[2], None)) or "")
    return "\n\n".join(doc for doc in docs if doc).splitlines()


def _signature(
    app: Any, what: str, name: str, thing: Any, options: Any, given: str | None, back: str | None
) -> tuple[str | None, str | None]:
    """Sphinx shows a type that stands by its name as TypeAliasForwardRef('Operand')."""
    given, back = (part and ALIAS.sub(r"\1", part) for part in (given, back))
    return given, None if back and PRIVATE.search(back) else back


def _skip(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Methods that are there for other parts of the engine say so at their beginning."""
    doc = inspect.getdoc(thing) or ""
    return True if doc.startswith(("Called by the ", "Called at the ")) else None


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
