"""The operations of a trace as a graph: Mermaid and Graphviz text, a box for each place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.activations import Activation
from engine.tracing.data import TraceData


@dataclass(frozen=True)
class Vertex:
    """An operation, or with `kind` "variable" or "constant" what goes into one."""

    id: str
    label: str
    kind: str
    place: str


@dataclass(frozen=True)
class Graph:
    vertices: list[Vertex]
    edges: list[tuple[str, str]]

    def by_place(self) -> Iterator[tuple[str, list[Vertex]]]:
        """The vertices of each place, in the order of the pass; "" is no place."""
        places = dict.fromkeys(vertex.place for vertex in self.vertices)
        for place in places:
            yield place, [vertex for vertex in self.vertices if vertex.place == place]


def graph_of(t: TraceData) -> Graph:
    """Vertices and edges; a variable is one vertex however often it is used."""
    vertices: list[Vertex] = []
    edges: list[tuple[str, str]] = []
    variables: dict[tuple[str, int], str] = {}
    for number, node in enumerate(t.nodes):
        vertex_id = f"n{number}"
        for i, (source, shape) in enumerate(zip(node.sources, node.input_shapes, strict=True)):
            if isinstance(source, int):
                edges.append((f"n{source}", vertex_id))
                continue
            leaf = f"v{number}_{i}"
            if source is not None:
                first = variables.setdefault((source.name, source.number), leaf)
                if first != leaf:
                    edges.append((first, vertex_id))
                    continue
            kind = "constant" if source is None else "variable"
            vertices.append(Vertex(leaf, f"{source or kind}\n{_size(shape)}", kind, node.place))
            edges.append((leaf, vertex_id))
        f = node.parameters.get("f")
        title = f"{node.name} ({f.name})" if isinstance(f, Activation) else node.name
        vertices.append(
            Vertex(vertex_id, f"{title}\n{_size(node.output_shape)}", "operation", node.place)
        )
    return Graph(vertices, edges)


def to_mermaid(t: TraceData) -> str:
    """A Mermaid flowchart, for example for a ```mermaid block of Markdown."""
    graph, lines = graph_of(t), ["flowchart TD"]
    brackets = {"operation": ("[", "]"), "variable": ("([", "])"), "constant": ("[/", "/]")}
    for i, (place, vertices) in enumerate(graph.by_place()):
        indent = "    "
        if place:
            lines.append(f'    subgraph p{i}["{_mermaid(place)}"]')
            indent *= 2
        for vertex in vertices:
            left, right = brackets[vertex.kind]
            lines.append(f'{indent}{vertex.id}{left}"{_mermaid(vertex.label)}"{right}')
        if place:
            lines.append("    end")
    lines += [f"    {a} --> {b}" for a, b in graph.edges]
    return "\n".join(lines) + "\n"


def to_dot(t: TraceData) -> str:
    """A digraph in Graphviz's language: `dot -Tsvg trace.dot`."""
    graph, lines = graph_of(t), ["digraph trace {", "    node [fontname=sans, fontsize=11];"]
    shapes = {"operation": "box", "variable": "ellipse", "constant": "parallelogram"}
    for i, (place, vertices) in enumerate(graph.by_place()):
        indent = "    "
        if place:
            lines += [f"    subgraph cluster_{i} {{", f'        label="{_dot(place)}";']
            indent *= 2
        for vertex in vertices:
            label = _dot(vertex.label)
            lines.append(f'{indent}{vertex.id} [label="{label}", shape={shapes[vertex.kind]}];')
        if place:
            lines.append("    }")
    lines += [f"    {a} -> {b};" for a, b in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _mermaid(text: str) -> str:
    """Every character that Mermaid, Markdown or HTML reads otherwise, by its code."""
    parts = []
    for c in text:
        if c == "\n":
            parts.append("<br>")
        else:
            parts.append(f"#{ord(c)};" if c in '"#&<>`\\[]{}|;' or ord(c) < 32 else c)
    return "".join(parts)


def _dot(text: str) -> str:
    """In quotes, Graphviz reads " and \\; and \\n is a new line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return "".join(c for c in escaped if ord(c) >= 32)
