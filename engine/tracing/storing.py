"""Traces on disk: an .npz file with a description in JSON and the arrays, no pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.activations import ACTIVATIONS, Activation
from engine.arrays import Array
from engine.core.rule import RULES
from engine.files import read_arrays, write_arrays
from engine.tracing.data import TraceData
from engine.tracing.encoding import Encoder, UnknownActivationError, decode
from engine.tracing.keeping import ArrayKeeper
from engine.tracing.nodes import NodeRecord, Variable
from engine.tracing.read.formulas import SLOPES

FORMAT = "gradtrace trace"
VERSION = 2
_ATTRIBUTES = (
    "name",
    "kind",
    "place",
    "inputs",
    "output",
    "saved",
    "sources",
    "activation",
    "parameters",
    "of_sweep",
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


def _trace(about: dict[str, Any], arrays: dict[str, Array]) -> ArrayKeeper:
    if about["version"] == 1:
        _update(about, arrays)
    keeper = ArrayKeeper()
    for number, stored in enumerate(about["nodes"]):
        keeper.nodes.append(_node(stored, arrays, number))
    return keeper


def _update(about: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Make of the description of a file of version 1 one of version 2.

    Version 1 had a list of the layers, all of them `dense`, with their s, and only the names of
    variables: variables of one name are the same where their values are.
    """
    numbers: dict[tuple[str, bytes], int] = {}
    for stored in about["nodes"]:
        stored["saved"], stored["of_sweep"] = None, True
        name, kind = stored["name"], stored.get("kind") or _kind_of(stored["name"])
        f = ACTIVATIONS.get(name) if kind in ("built-in", "activation") else None
        one_input = len(stored["inputs"]["list"]) == 1
        stored["activation"] = Encoder().encode(f) if f is not None and one_input else None
        pairs = zip(stored["sources"]["list"], stored["inputs"]["list"], strict=True)
        stored["sources"] = {
            "list": [
                {"variable": [source, numbers.setdefault(_key(source, x, arrays), len(numbers)), 0]}
                if isinstance(source, str)
                else source
                for source, x in pairs
            ]
        }
    for row in about["layers"]:
        if type(row["node"]) is not int or not 0 <= row["node"] < len(about["nodes"]):
            raise ValueError(f"a layer of node {row['node']!r}")
        about["nodes"][row["node"]] |= {"saved": row["s"], "of_sweep": False}


def _key(name: str, encoded: Any, arrays: dict[str, Array]) -> tuple[str, bytes]:
    array = decode(encoded, arrays)
    return name, repr((array.shape, array.dtype)).encode() + array.tobytes()


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
        if not isinstance(source, int | Variable | None):
            raise TypeError(f"a source of operation {number}")
    pairs = [*zip(sent, inputs, strict=True), (values["dL_dy"], values["output"])]
    for g, x in pairs:
        if not isinstance(x, np.ndarray) or not (g is None or np.shape(g) == x.shape):
            raise ValueError(f"operation {number} ({values['name']}): a gradient does not fit")
    sweeps = stored["sweeps"]
    if type(sweeps) is not int or (sweeps > 0) != (values["dL_dy"] is not None):
        raise ValueError(f"operation {number} ({values['name']}): {sweeps!r} backward passes")
    rule = RULES.get(values["name"]) if values["kind"] == "built-in" else None
    form = rule.layer(len(inputs)) if rule is not None and rule.layer is not None else None
    saved, f = values["saved"], values["activation"]
    if form is not None and np.shape(saved) != values["output"].shape:
        raise ValueError(f"layer {values['place'] or values['name']} and its s do not fit")
    if f is not None and not isinstance(f, Activation):
        raise TypeError(f"the activation of operation {number}")
    slope = f.slope if f is not None and len(inputs) == 1 else rule and rule.slope
    shapes = {"input_shapes": [x.shape for x in inputs], "output_shape": values["output"].shape}
    values["number"] = float(values["output"]) if values["output"].ndim == 0 else None
    vars(node).update(values, **shapes, sweeps=sweeps, kept=True, looks={}, form=form, slope=slope)
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
