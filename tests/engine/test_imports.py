"""Who may import whom, what an import costs, and where BLAS may be reached: by reading the code."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ["engine.kernels", "engine", "nn", "experiments", "tutorials"]
SOURCES = sorted(
    path.relative_to(ROOT)
    for folder in ("engine", "nn", "experiments", "tutorials")
    for path in (ROOT / folder).rglob("*.py")
)
HEAVY = ["matplotlib", "scipy", "pooch", "tyro", "rich", "torch", "pandas", "IPython"]


def parse(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def module_name(path):
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """The full names of the modules that a file imports, anywhere in it."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path.parent / "x")
    package = package.removesuffix(".x")
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            yield from ((base, alias.name) for alias in node.names)


def within(name, package):
    return name == package or name.startswith(package + ".")


def level(name):
    for i, package in enumerate(LAYERS):
        if within(name, package):
            return i
    return None


@pytest.mark.plain
@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_run_one_way(path):
    own = level(module_name(path))
    for module, name in imported(path):
        target = level(f"{module}.{name}") if name else level(module)
        if target is None:
            continue
        assert target <= own, f"{path} imports {module}, which is built on it"
        if own == LAYERS.index("nn") and within(module, "engine"):
            assert module == "engine", (
                f"{path} reaches into {module}; nn uses engine's public names"
            )


def test_importing_the_engine_loads_no_heavy_library_and_compiles_nothing():
    program = (
        "import sys; from numba.core import event\n"
        "compiled = event.install_recorder('numba:compile')\n"
        "with compiled as seen:\n"
        "    import engine\n"
        "print(len(seen.buffer), sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    count, loaded = run.stdout.split(" ", 1)
    assert count == "0"
    assert not set(HEAVY) & set(ast.literal_eval(loaded))
    assert run.stderr == ""


# --- BLAS ----------------------------------------------------------------------------------------

PRODUCTS = {"dot", "matmul", "einsum", "inner", "vdot", "tensordot", "linalg", "multi_dot"}
MAY_REACH_BLAS = {
    Path(
        "engine/tracing/read/jacobians.py"
    ): "singular values, which look at a net and train nothing",
}


def blas_uses(tree):
    """Lines that multiply matrices through NumPy, outside functions named …reference…."""

    def visit(node, inside):
        if isinstance(node, ast.FunctionDef):
            inside = [*inside, node.name]
        if not any("reference" in name or "orthogonal" in name for name in inside):
            if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
                yield node.lineno, "@"
            if (
                isinstance(node, ast.Attribute)
                and node.attr in PRODUCTS
                and isinstance(node.value, ast.Name)
                and node.value.id in ("np", "numpy")
            ):
                yield node.lineno, f"np.{node.attr}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numpy"):
                yield from ((node.lineno, a.name) for a in node.names if a.name in PRODUCTS)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "answers":
            return  # names NumPy's functions and calls none
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return list(visit(tree, []))


@pytest.mark.plain
@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] in ("engine", "nn")], ids=str)
def test_no_rule_or_kernel_reaches_blas(path):
    if path in MAY_REACH_BLAS:
        pytest.skip(MAY_REACH_BLAS[path])
    assert blas_uses(parse(path)) == []


def test_the_test_above_sees_what_it_should():
    for source in (
        "a @ b",
        "a @= b",
        "np.dot(a, b)",
        "numpy.einsum('i', a)",
        "x = np.linalg.qr",
        "from numpy import dot",
        "from numpy.linalg import multi_dot",
        "def f():\n  return np.tensordot(a, b)",
    ):
        assert blas_uses(ast.parse(source)), source
    for source in ("def matmul_reference(a, b):\n  return a @ b", "kernels.matmul(a, b)", "a * b"):
        assert not blas_uses(ast.parse(source)), source


# --- names ---------------------------------------------------------------------------------------


def packages():
    for name in ("engine", "nn"):
        try:
            package = importlib.import_module(name)
        except ImportError:
            continue
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if found.ispkg:
                yield importlib.import_module(found.name)


def test_no_module_takes_the_name_of_a_public_function():
    # After `import engine.x`, engine.x is the module, whatever it was before.
    for package in packages():
        for found in pkgutil.iter_modules(package.__path__):
            public = getattr(package, "__all__", ())
            if found.name in public:
                thing = getattr(package, found.name)
                assert getattr(thing, "__name__", "") == f"{package.__name__}.{found.name}", (
                    f"{package.__name__}.{found.name} is a public name and a module"
                )


def test_engine_trace_stays_a_function():
    import engine

    for found in pkgutil.walk_packages(engine.__path__, "engine."):
        importlib.import_module(found.name)
    assert type(engine.trace).__name__ == "function"
    assert type(engine.sum).__name__ == "function"


@pytest.mark.plain
def test_public_names_are_listed_sorted_and_there():
    import engine

    assert len(set(engine.__all__)) == len(engine.__all__)
    for name in engine.__all__:
        assert hasattr(engine, name)
