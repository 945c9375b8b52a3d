"""Graphs of a trace as Mermaid and Graphviz text: every operation, grouped, well escaped."""

import re

import numpy as np
import pytest

from engine import Tensor, cross_entropy, dense, place, trace

RNG = np.random.default_rng(0)


def traced(names=("layer 1", "layer 2"), twice=False):
    sizes = [(4, 4), (4, 3)]
    x = RNG.normal(size=(5, 4))
    with trace() as t:
        for name, (n, m) in zip(names, sizes, strict=True):
            W = Tensor(RNG.normal(size=(n, m)), requires_grad=True, name=f"{name}.W")
            b = Tensor(RNG.normal(size=m), requires_grad=True, name=f"{name}.b")
            for _ in range(2 if twice and n == m else 1):
                with place(name):
                    x = dense(x, W, b, "tanh")
        cross_entropy(x, np.arange(5) % 3).backward()
    return t


def read_dot(text):
    """Clusters (label -> ids), labels (id -> text) and edges; fails on what dot would refuse."""
    lines = text.splitlines()
    assert lines[0] == "digraph trace {" and lines[-1] == "}"
    clusters, labels, edges, inside = {"": []}, {}, [], ""
    string = r'"((?:[^"\\]|\\.)*)"'
    for line in (line.strip() for line in lines[1:-1]):
        if line.startswith("node ["):
            continue
        if re.fullmatch(r"subgraph cluster_\d+ \{", line):
            inside = None
        elif found := re.fullmatch(rf"label={string};", line):
            inside = found[1]
            clusters[inside] = []
        elif line == "}":
            inside = ""
        elif found := re.fullmatch(rf"(\w+) \[label={string}, shape=\w+\];", line):
            clusters[inside].append(found[1])
            labels[found[1]] = found[2]
        else:
            found = re.fullmatch(r"(\w+) -> (\w+);", line)
            assert found, line
            edges.append((found[1], found[2]))
    return clusters, labels, edges


def read_mermaid(text):
    lines = text.splitlines()
    assert lines[0].startswith("flowchart ")
    clusters, labels, edges, inside = {"": []}, {}, [], ""
    string = r'"([^"\[\]{}|`]*)"'
    for line in (line.strip() for line in lines[1:]):
        if found := re.fullmatch(rf"subgraph p\d+\[{string}\]", line):
            inside = found[1]
            clusters[inside] = []
        elif line == "end":
            inside = ""
        elif found := re.fullmatch(rf"(\w+)(?:\[|\(\[|\[/){string}(?:\]|\]\)|/\])", line):
            clusters[inside].append(found[1])
            labels[found[1]] = found[2]
        else:
            found = re.fullmatch(r"(\w+) --> (\w+)", line)
            assert found, line
            edges.append((found[1], found[2]))
    return clusters, labels, edges


READERS = [("to_dot", read_dot, r"\n"), ("to_mermaid", read_mermaid, "<br>")]


@pytest.mark.parametrize(("method", "read", "newline"), READERS)
def test_operations_are_grouped_by_layer_and_joined_as_they_were(method, read, newline):
    t = traced()
    clusters, labels, edges = read(getattr(t, method)())
    assert set(clusters) == {"", "layer 1", "layer 2"}
    assert "n0" in clusters["layer 1"] and "n1" in clusters["layer 2"] and "n2" in clusters[""]
    assert labels["n0"] == f"dense (tanh){newline}5×4"
    assert labels["n2"] == f"cross_entropy{newline}scalar"
    assert sorted(v.split(newline)[0] for v in map(labels.get, clusters["layer 2"])) == [
        "dense (tanh)",
        "layer 2.W",
        "layer 2.b",
    ]
    assert {("n0", "n1"), ("n1", "n2")} <= set(edges)
    assert len(edges) == sum(len(node.inputs) for node in t.nodes)
    assert {end for edge in edges for end in edge} == set(labels)


@pytest.mark.parametrize(("method", "read", "newline"), READERS)
def test_a_layer_used_twice_shares_its_variables(method, read, newline):
    clusters, labels, edges = read(getattr(traced(twice=True), method)())
    names = [label.split(newline)[0] for label in labels.values()]
    assert names.count("layer 1.W") == 1
    W = next(id for id, label in labels.items() if label.startswith("layer 1.W"))
    assert {(W, "n0"), (W, "n1")} <= set(edges)
    assert {"n0", "n1"} <= set(clusters["layer 1"])


@pytest.mark.parametrize(("method", "read", "newline"), READERS)
def test_names_can_hold_anything(method, read, newline):
    bad = 'a "b" \\ <c> & #d; [e] {f} |g| `h`\nend'
    clusters, labels, _ = read(getattr(traced(names=("x", bad)), method)())
    assert len(clusters) == 3
    assert len(labels) == 3 + 5
    if method == "to_mermaid":
        (name,) = set(clusters) - {"", "x"}
        coded = re.sub(r"#(\d+);", lambda m: chr(int(m[1])), name.replace("<br>", "\n"))
        assert coded == bad


def test_unnamed_variables_are_told_apart():
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    with trace() as t:
        ((a * b) + a).sum().backward()
    _, labels, _ = read_dot(t.to_dot())
    assert sum(label.startswith("a ") for label in labels.values()) == 2


def test_an_empty_trace_is_an_empty_graph():
    with trace() as t:
        pass
    assert read_dot(t.to_dot()) == ({"": []}, {}, [])
    assert t.to_mermaid() == "flowchart TD\n"
