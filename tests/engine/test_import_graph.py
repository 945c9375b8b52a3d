"""No module of engine or nn imports, however indirectly, a module that imports it.

Imports inside functions and under TYPE_CHECKING count too: a reader has to follow those as well.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "nn", "experiments")


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(p): p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def targets(name, tree):
    """The modules that a module names in its imports.

    `from package import x` means the module package.x, if there is one, and else the package: its
    __init__. That a package's __init__ runs before its modules is not counted.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: relative imports are not used here"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in FILES else node.module


GRAPH = {
    name: {target for target in targets(name, tree) if target in FILES} - {name}
    for name, tree in TREES.items()
}


def rings(graph):
    """The strongly connected components of more than one module (Tarjan 1972)."""
    index, low, stack, components = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in sorted(graph[v]):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            component = set()
            while v not in component:
                component.add(stack.pop())
            if len(component) > 1:
                components.append(frozenset(component))

    for v in sorted(graph):
        if v not in index:
            visit(v)
    return set(components)


# The rings that experiments had; this list may only shrink.
FIGURES_AND_QUESTIONS = (
    ("accuracy", "accuracy_tables", "questions.accuracy"),
    (
        *("initialization", "initialization_tables", "questions.initialization"),
        *("questions.initialization_claims", "questions.initialization_jacobians"),
        "questions.initialization_start",
    ),
    ("theory", "theory_tables", "questions.theory", "questions.theory_claims"),
    (
        *("loss_surface", "loss_surface_tables", "saturation", "saturation_tables", "table1"),
        *("vanishing", "vanishing_tables", "questions.answers", "questions.loss_surface"),
        *("questions.loss_surface_claims", "questions.saturation", "questions.saturation_claims"),
        *("questions.table1", "questions.table1_claims", "questions.vanishing"),
        "questions.vanishing_claims",
    ),
    ("article", "questions.article"),
    ("speed", "speed_tables", "questions.speed"),
)
KNOWN = {
    frozenset(f"experiments.{n if '.' in n else f'figures.{n}'}" for n in ring)
    for ring in FIGURES_AND_QUESTIONS
}


def test_engine_and_nn_have_no_ring():
    inside = {name for name in GRAPH if name.split(".")[0] in ("engine", "nn")}
    graph = {name: GRAPH[name] & inside for name in inside}
    assert sorted(map(sorted, rings(graph))) == []


def test_experiments_have_no_ring_but_the_known_ones():
    assert rings(GRAPH) == KNOWN


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, set()),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, {frozenset("abc")}),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c", "a"}}, {frozenset("ab"), frozenset("cd")}),
    ],
)
def test_rings_are_found(edges, expected):
    assert rings(edges) == expected


def test_type_checking_is_for_libraries_alone():
    """Names of the project are imported where they are used, also for annotations."""
    for name, tree in TREES.items():
        if name.split(".")[0] == "experiments":
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.If) or "TYPE_CHECKING" not in ast.unparse(node.test):
                continue
            for module in targets(name, ast.Module(node.body, [])):
                assert module.split(".")[0] not in PACKAGES, (name, module)


def test_the_core_is_short():
    """What a reader reads first."""
    core = [path for name, path in FILES.items() if name.startswith("engine.core")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in core) < 1500


def test_reading_a_trace_knows_nothing_of_showing():
    for name in FILES:
        if name.startswith("engine.tracing.read"):
            assert not [module for module in GRAPH[name] if "tracing.show" in module], name
