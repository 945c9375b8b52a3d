"""Traces on disk: an .npz file with a description in JSON and the arrays, no pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.activations import ACTIVATIONS
from engine.arrays import Array
from engine.core.rule import RULES
from engine.files import read_arrays, write_arrays
from engine.tracing.data import TraceData
from engine.tracing.encoding import Encoder, UnknownActivationError, decode
from engine.tracing.formulas import SLOPES
from engine.tracing.keeping import ArrayKeeper
from engine.tracing.rows import NodeRecord

FORMAT = "gradtrace trace"
VERSION = 1
_ATTRIBUTES = (
    "name",
    "kind",
    "place",
    "inputs",
    "output",
    "sources",
    "parameters",
    "dL_dy",
    "dL_dx",
)


def save_trace(t: TraceData, path: str | Path) -> None:
    """Write the trace to an .npz file of that exact name, which appears whole or not at all.

    Raises: TypeError for an operation's parameter that can't be stored, naming both; GraphError for
        a trace that kept statistics alone.
    """
    encoder = Encoder()
    about = {
        "format": FORMAT,
        "version": VERSION,
        "nodes": [_encoded(node, encoder, path) for node in t.nodes],
        "layers": [
            {"node": _position(row.node, t.nodes), "s": encoder.encode(row.s)} for row in t.layers
        ],
    }
    text = json.dumps(about).encode()
    write_arrays(path, {"trace": np.frombuffer(text, np.uint8), **encoder.arrays})


def load_trace(path: str | Path) -> ArrayKeeper:
    """The trace of a file that `Trace.save` wrote.

    Raises: ValueError for a file that is not one, is damaged, was written by a newer version, or
        holds an activation that isn't known here; FileNotFoundError if it isn't there.
    """
    arrays = read_arrays(path)
    try:
        about = json.loads(arrays.pop("trace").tobytes().decode())
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']!r}")
        version = about["version"]
        if type(version) is not int or version < 1:
            raise ValueError(f"its version is {version!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not a trace that Trace.save wrote ({_reason(error)})") from None
    if version > VERSION:
        raise ValueError(
            f"{path}: a trace of version {version}, which a newer gradtrace wrote; this one reads "
            f"up to {VERSION}: update gradtrace"
        )
    try:
        return _trace(about, arrays)
    except UnknownActivationError as error:
        raise ValueError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: a damaged trace ({_reason(error)})") from None


def _encoded(node: NodeRecord, encoder: Encoder, path: str | Path) -> dict[str, Any]:
    values = {name: getattr(node, name) for name in (*_ATTRIBUTES, "sweeps")}
    values["parameters"] = tuple(node.parameters.items())
    try:
        return {name: encoder.encode(value) for name, value in values.items()}
    except TypeError as error:
        where = f" in {node.place}" if node.place else ""
        raise TypeError(f"{path}: {node.name}{where}: {error}") from None


def _position(record: NodeRecord, nodes: list[NodeRecord]) -> int:
    return next(i for i, node in enumerate(nodes) if node is record)


def _trace(about: dict[str, Any], arrays: dict[str, Array]) -> ArrayKeeper:

    kept = ArrayKeeper()
    for number, stored in enumerate(about["nodes"]):
        kept.add(_node(stored, arrays, number))
    for row in about["layers"]:
        if type(row["node"]) is not int or not 0 <= row["node"] < len(kept.nodes):
            raise ValueError(f"a layer of node {row['node']!r}")
        node = kept.nodes[row["node"]]
        s = decode(row["s"], arrays)
        known = (node.name, node.kind) == ("dense", "built-in")
        if not known or not isinstance(s, np.ndarray) or s.shape != node.output.shape:
            raise ValueError(f"layer {node.place or node.name} and its s do not fit")
        kept.add_layer(node, s)
    return kept


def _node(stored: dict[str, Any], arrays: dict[str, Array], number: int) -> NodeRecord:
    node = NodeRecord.__new__(NodeRecord)
    values = {name: decode(stored[name], arrays) for name in _ATTRIBUTES if name != "kind"}
    values["kind"] = str(stored.get("kind") or _kind_of(values["name"]))
    values["parameters"] = dict(values["parameters"])
    inputs, sent, sources = values["inputs"], values["dL_dx"], values["sources"]
    if not isinstance(values["name"], str) or not isinstance(values["place"], str):
        raise TypeError(f"the name of operation {number}")
    if not len(inputs) == len(sent) == len(sources):
        raise ValueError(f"operation {number} ({values['name']}) has lists of different lengths")
    for source in sources:
        if type(source) is int and not 0 <= source < number:
            raise ValueError(f"operation {number} has operation {source} as its source")
    pairs = [*zip(sent, inputs, strict=True), (values["dL_dy"], values["output"])]
    for g, x in pairs:
        if not isinstance(x, np.ndarray) or not (g is None or np.shape(g) == x.shape):
            raise ValueError(f"operation {number} ({values['name']}): a gradient does not fit")
    sweeps = stored["sweeps"]
    if type(sweeps) is not int or (sweeps > 0) != (values["dL_dy"] is not None):
        raise ValueError(f"operation {number} ({values['name']}): {sweeps!r} backward passes")
    shapes = {"input_shapes": [x.shape for x in inputs], "output_shape": values["output"].shape}
    values["number"] = float(values["output"]) if values["output"].ndim == 0 else None
    vars(node).update(values, **shapes, sweeps=sweeps, kept=True)
    return node


def _kind_of(name: str) -> str:
    """The kind of an operation in a file from before kinds were stored, by its name."""
    if name in RULES or name in SLOPES:
        return "built-in"
    if name.startswith("scale by "):
        return "scale"
    return "activation" if name.rstrip("′") in ACTIVATIONS else "own"


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
