"""The import table, what an import costs, and what is never imported.

`ROWS` lists the packages from the bottom up: a module imports from its own row and from the rows above it.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "logboom"

# The longest name wins: `journal.target` has a row of its own, the rest of `journal` another one.
ROWS = (
    "errors",
    "platform",
    "journal.target",
    "journal.names",
    "journal.layout",
    "wire",
    "records",
    "logset.packing",
    "logset.facts",
    "logset.index",
    "logset.sealing",
    "sinks",
    "spool",
    "journal",
    "logset",
    "query",
    "producer",
    "handlers",
    "queues",
    "contrib",
    "receivers",
    "collector",
    "assembly",
    "web",
    "demo",
    "cli",
    "zeromq",
    "django",
    "testing",
    "__main__",
    "",
)

# Who imports a module by its name in a string, and which.
BY_NAME = {
    ("", "home"),
    ("handlers", "home"),
    ("zeromq", "home"),
    ("cli", "f'logboom.cli.{name}'"),
    ("producer.waiting", "'logboom.collector.assembly'"),
}

# Which parts of a program are slow, or a danger, to have in every process that logs.
HEAVY = {"asyncio", "sqlite3", "http", "unittest", "socketserver", "zmq", "zstandard", "django", "ctypes"}
UNSAFE = {"pickle", "cPickle", "dill", "marshal", "shelve"}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _name(path: Path) -> str:
    """`journal.reader` for its path; an empty string for the package itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
MODULES = pytest.mark.parametrize("module", [pytest.param(name, id=name or "logboom") for name in PATHS])


def _within(module: str, package: str) -> bool:
    return module == package or (package != "" and module.startswith(package + "."))


def _row(module: str) -> str | None:
    rows = [row for row in ROWS if _within(module, row)]
    return max(rows, key=len, default=None)


def _typing_only(path: Path) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`; in a package of lazy exports that repeats their names."""
    blocks = [node for node in _tree(path).body if isinstance(node, ast.If)]
    return {
        node for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING" for node in ast.walk(block)
    }


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    """`(module of logboom, name taken from it)` of each import, wherever in the file it stands."""
    lazy = _typing_only(path) if (_name(path), "home") in BY_NAME else set()
    for node in ast.walk(_tree(path)):
        if node in lazy:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name[8:], "") for alias in node.names if _within(alias.name, "logboom"))
        elif isinstance(node, ast.ImportFrom) and node.module and _within(node.module, "logboom"):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"[8:]
                yield (submodule, "") if submodule in PATHS else (node.module[8:], alias.name)
        assert not (isinstance(node, ast.ImportFrom) and node.level), "imports are absolute"


@MODULES
def test_a_module_is_in_the_table_and_imports_only_what_stands_above(module: str) -> None:
    """A design stays readable as long as a line of data can be followed downwards."""
    row = _row(module)
    assert row is not None, f"{module} is in no row: add it to ROWS"
    for imported, name in _imports(PATHS[module]):
        if (imported, name) == ("", "__version__"):
            continue
        theirs = _row(imported)
        assert theirs is not None, f"{module} imports {imported}, which does not exist"
        assert ROWS.index(theirs) <= ROWS.index(row) or _within(theirs, row), (
            f"{module} imports {imported} below it"
        )


@MODULES
def test_few_modules_import_by_name(module: str) -> None:
    """A name in a string is a way past the table; these few need it."""
    for node in ast.walk(_tree(PATHS[module])):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {
            "import_module",
            "__import__",
        }:
            named = ast.unparse(node.args[0])
            ours = "logboom" in named or not isinstance(node.args[0], ast.Constant)
            assert not ours or (module, named) in BY_NAME, f"{module}:{node.lineno} imports {named} by name"


def test_only_one_module_imports_zmq() -> None:
    """pyzmq is optional, and what a socket may do (linger, buffers) is decided in one place."""
    importing = {
        module
        for module, path in PATHS.items()
        for node in ast.walk(_tree(path))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "zmq" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zmq")
    }
    assert importing == {"wire.pyzmq"}


def test_only_the_one_who_writes_maps_a_file() -> None:
    """A page of a mapped file that somebody cuts is a SIGBUS: whoever reads does it by `pread`.

    `platform.process` maps memory, no file.
    """
    found = {
        module
        for module, path in PATHS.items()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Import) and "mmap" in {alias.name for alias in node.names}
    }
    assert found == {"journal.segment", "platform.process", "testing"}


def test_every_row_has_a_module() -> None:
    """A row for what is gone would let a new module in unseen."""
    assert set(ROWS) == {_row(module) for module in PATHS}


def test_no_import_goes_in_a_circle() -> None:
    """Modules of one row may import each other, but two that need each other are one."""
    edges = {module: {name for name, _ in _imports(path) if name != module} for module, path in PATHS.items()}
    edges[""] = set()
    while leaves := [module for module, needs in edges.items() if not needs & edges.keys()]:
        for module in leaves:
            del edges[module]
    assert not edges, f"in a circle, or above one: {edges}"


@MODULES
def test_private_names_stay_where_they_are(module: str) -> None:
    """What another module uses is public, and says so."""
    package = module.rpartition(".")[0] if PATHS[module].name != "__init__.py" else module
    for imported, name in _imports(PATHS[module]):
        private_module = any(part.startswith("_") and part != "__main__" for part in imported.split("."))
        assert not private_module or _within(imported, package), f"{module} imports the private {imported}"
        assert not name.startswith("_") or name == "__version__", f"{module} imports {name} of {imported}"
    modules = {name.rpartition(".")[2] for name, taken in _imports(PATHS[module]) if not taken}
    for node in ast.walk(_tree(PATHS[module])):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert not node.attr.startswith("_"), f"{module}:{node.lineno} uses {node.value.id}.{node.attr}"


@MODULES
def test_only_platform_asks_for_the_platform(module: str) -> None:
    """A difference between systems that is handled in one place can be checked in one place."""
    if _within(module, "platform"):
        return
    for node in ast.walk(_tree(PATHS[module])):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked = f"{node.value.id}.{node.attr}"
            assert asked not in {"sys.platform", "os.name", "platform.system"}, (
                f"{module}:{node.lineno} asks {asked}"
            )
        if isinstance(node, ast.ImportFrom) and node.module in {"sys", "os", "platform"}:
            assert not {alias.name for alias in node.names} & {"platform", "name", "system"}, module


@MODULES
def test_nothing_is_unpickled_or_evaluated(module: str) -> None:
    """What came out of a file is data; and an `except:` would swallow the end of the program."""
    for node in ast.walk(_tree(PATHS[module])):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & UNSAFE, module
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in UNSAFE, module
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "eval", f"{module}:{node.lineno}"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{module}: a bare except"


def _loaded(code: str) -> set[str]:
    """The modules that `code` loads in a fresh interpreter, over those of `import logging`."""
    program = f"""
import sys
sys.path.insert(0, {str(SOURCE.parent)!r})
import logging, json
before = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def _foreign(loaded: set[str]) -> set[str]:
    """Neither the standard library's nor ours; `msgspec` takes `typing_extensions` where it is."""
    ours = {"logboom", "msgspec", "typing_extensions"}
    return {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - ours


def test_importing_logboom_is_light() -> None:
    """Every process of a project pays for it, also those that never log."""
    loaded = _loaded("import logboom")
    assert _foreign(loaded) == set()
    assert not {name for name in loaded if name.startswith("logboom.")}
    assert not {name.partition(".")[0] for name in loaded} & (HEAVY | {"socket", "subprocess", "msgspec"})


def test_a_handler_brings_the_standard_library_and_msgspec_only() -> None:
    """The collector's half, and what only it needs, must not come into the programs that log."""
    loaded = _loaded("import logboom; logboom.RotatingFileHandler")
    assert _foreign(loaded) == set()
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert not {name for name in loaded if _row(name[8:]) in {"sinks", "collector", "assembly", "receivers"}}


def test_every_public_name_is_there() -> None:
    """`__all__` is the public API, also for a type checker and `dir()`."""
    import logboom

    for name in logboom.__all__:
        assert getattr(logboom, name) is not None
    assert set(logboom.__all__) <= set(dir(logboom))
    with pytest.raises(AttributeError):
        getattr(logboom, "no_such_name")  # noqa: B009


@MODULES
def test_a_modules_public_names_exist(module: str) -> None:
    """A name in `__all__` that is not there breaks `import *` and every reader's search."""
    tree = _tree(PATHS[module])
    bound = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    bound |= {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    bound |= {taken or name for name, taken in _imports(PATHS[module])}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            missing = set(ast.literal_eval(node.value)) - bound
            assert not missing, f"{module} has no {missing}"
