"""Pictures as data URIs. In an `<img>` an SVG runs no script and loads nothing, whatever it holds.

pictures, problems = pictures_of(record)
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from experiments.lab.records import Record

_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}  # of two with one name, the first is shown
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture as a URI, and in words for who can't see it."""

    words: str
    uri: str

    @classmethod
    def of(cls, words: str, data: bytes, suffix: str = ".svg") -> Picture:
        """Raises: ValueError if the data are no picture of that kind."""
        if not (data.startswith(_PNG) if suffix == ".png" else _is_svg(data)):
            raise ValueError(f"is no {suffix[1:].upper()}")
        return cls(words, f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode()}")


def pictures_of(record: Record) -> tuple[list[Picture], list[str]]:
    """The pictures in a result's folder, and a line for each that can't be shown.

    They come in the order of the result's own list; a result without a list has them by name.
    """
    pictures, problems = [], []
    for path in _paths(record):
        words = record.figures.get(path.stem, f"{record.question}, {path.stem}")
        try:
            pictures.append(Picture.of(words, path.read_bytes(), path.suffix))
        except OSError as error:
            problems.append(f"{path} can't be read: {error.strerror or error}")
        except ValueError as error:
            problems.append(f"{path} {error}; run {record.question} again")
    return pictures, problems


def _paths(record: Record) -> list[Path]:
    there = {path.name: path for path in sorted(record.folder.glob("*")) if path.is_file()}
    stems = list(record.figures) or sorted({p.stem for p in there.values() if p.suffix in _TYPES})
    names = [
        next((stem + suffix for suffix in _TYPES if stem + suffix in there), f"{stem}.svg")
        for stem in stems
    ]
    return [record.folder / name for name in names]


def _is_svg(data: bytes) -> bool:
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
    except ElementTree.ParseError:
        return False
