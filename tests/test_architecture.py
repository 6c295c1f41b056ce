"""The house keeps its shape: floors, rooms, circles, heavy libraries, late imports and sizes, read from the sources.

Nothing is imported: every file is parsed. Imports inside functions and under `if TYPE_CHECKING` count as imports.
Each rule is also tried on a small made-up tree that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "bksdm_demo"
FLOORS = {
    "ground": 0, "mil": 1, "translate": 2, "engines": 3, "diffusion": 4, "library": 5, "wording": 5, "parameters": 6,
    "store": 6, "runs": 7, "downloads": 8, "pool": 8, "reports": 8, "evaluation": 9, "ui": 10, "roof": 11,
}  # fmt: skip
ON_THE_GROUND = (
    "atomic_files environment errors intervals languages logs phrase_book printable records scheduler_facts units"
)
GROUND = (PACKAGE, *(f"{PACKAGE}.{name}" for name in ON_THE_GROUND.split()))
ON_THE_ROOF = ("cli",)  # the command line is a folder of the roof, beside app.py and start.py
# library -> where it may be imported: a module or a room and everything in it
HEAVY = {
    "openvino": (
        f"{PACKAGE}.translate.context",
        f"{PACKAGE}.translate.graph",
        f"{PACKAGE}.translate.ops",
        f"{PACKAGE}.translate.translator",
        f"{PACKAGE}.engines.openvino_engine",
        f"{PACKAGE}.engines.openvino_compiled",
        f"{PACKAGE}.engines.quantization",
    ),
    "coremltools": (f"{PACKAGE}.mil.schema", f"{PACKAGE}.engines.coreml_engine"),
    "google": (f"{PACKAGE}.mil.schema",),  # protobuf
    "transformers": (f"{PACKAGE}.diffusion.tokenizer",),
    "huggingface_hub": (f"{PACKAGE}.library.download", f"{PACKAGE}.library.publishing"),
    "gradio": (f"{PACKAGE}.ui", "app"),
    "platformdirs": (f"{PACKAGE}.settings",),
    "filelock": (f"{PACKAGE}.engines.compiled_store", f"{PACKAGE}.library.fetch", f"{PACKAGE}.store.process_locks"),
    "typer": (f"{PACKAGE}.cli",),
    "rich": (f"{PACKAGE}.cli",),
    "jinja2": (f"{PACKAGE}.reports.html_report",),
    "prometheus_client": (f"{PACKAGE}.metrics",),
    "limits": (f"{PACKAGE}.runs.fairness",),
    "mcp": (f"{PACKAGE}.mcp_tools",),
    "nats": (),  # opened by name in pool/nats_library.py
    "evalica": (f"{PACKAGE}.evaluation.ranking",),
    "yaml": (f"{PACKAGE}.evaluation.sheet_reader",),
    "PIL": (
        f"{PACKAGE}.parameters",
        f"{PACKAGE}.runs.previews",
        f"{PACKAGE}.reports",
        f"{PACKAGE}.ui",
        f"{PACKAGE}.diffusion.pixels",
    ),  # previews and thumbnails are scaled; pixels: CLIP's bicubic resize
    "torch": (),
    "diffusers": (),
}
WITHOUT_A_RUNTIME = {f"{PACKAGE}.mil": "openvino", f"{PACKAGE}.translate.passes": "openvino"}  # not even indirectly
OPEN_ENGINES = (f"{PACKAGE}.engines.base", f"{PACKAGE}.engines.self_check")  # know no runtime
SETTINGS = f"{PACKAGE}.settings"
IMPORTS_BY_NAME = tuple(f"{PACKAGE}.{name}" for name in ("engines.registry", "mcp_server", "pool.nats_library"))
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ELSEWHERE = {"infotext_utils.py", "simple_tokenizer.py", "chunk_mlprogram.py"}  # files of other projects, cited
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 80  # lines


@dataclass(frozen=True)
class Source:
    """One file and the module it is."""

    path: Path
    module: str

    @property
    def room(self) -> str:
        if self.module in GROUND:
            return "ground"
        _, *inside = self.module.split(".")
        in_a_room = len(inside) > 1 or self.path.name == "__init__.py"
        return inside[0] if in_a_room and inside[0] not in ON_THE_ROOF else "roof"

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), str(self.path))

    def imports(self) -> Iterator[str]:
        """Every dotted name this file imports, as far as the text says: `from a import b` gives a.b."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    package = self.module.split(".")
                    steps = node.level - (self.path.name == "__init__.py")
                    base = ".".join([*package[: len(package) - steps], *([base] if base else [])])
                yield from (f"{base}.{alias.name}" for alias in node.names)

    def late_imports(self) -> Iterator[int]:
        """Lines of imports inside functions."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from (inner.lineno for inner in ast.walk(node) if isinstance(inner, (ast.Import, ast.ImportFrom)))


def sources(root: Path) -> dict[str, Source]:
    """The demo's own files by module name."""
    found = {}
    for path in [*sorted((root / PACKAGE).rglob("*.py")), *([root / "app.py"] if (root / "app.py").exists() else [])]:
        names = list(path.relative_to(root).with_suffix("").parts)
        module = ".".join(names[:-1] if names[-1] == "__init__" else names)
        found[module] = Source(path, module)
    return found


def edges(house: dict[str, Source]) -> dict[str, set[str]]:
    """Which own modules each module imports."""
    graph: dict[str, set[str]] = {}
    for module, source in house.items():
        targets = {_own_module(name, house) for name in source.imports()}
        graph[module] = {target for target in targets if target and target != module}
    return graph


def _own_module(name: str, house: dict[str, Source]) -> str | None:
    """The module a dotted name lies in: itself, or the longest part of it that is a module."""
    while name:
        if name in house:
            return name
        name = name.rpartition(".")[0]
    return None


def upward_edges(house: dict[str, Source]) -> list[str]:
    """Imports of a higher floor, or of another room on the same floor."""
    return [
        f"{module} imports {target}"
        for module, targets in edges(house).items()
        for target in sorted(targets)
        if house[module].room != house[target].room and FLOORS[house[module].room] <= FLOORS[house[target].room]
    ]


def circles(house: dict[str, Source]) -> list[str]:
    """One way round for each circle of imports."""
    graph, found, finished = edges(house), [], set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in finished:
            for target in sorted(graph[module]):
                visit(target, [*trail, module])
            finished.add(module)

    for module in graph:
        visit(module, [])
    return found


def misplaced_libraries(house: dict[str, Source]) -> list[str]:
    """Heavy libraries outside their named files."""
    return [
        f"{module} imports {name}"
        for module, source in house.items()
        for name in source.imports()
        if (places := HEAVY.get(name.split(".")[0])) is not None
        and not any(module == place or module.startswith(f"{place}.") for place in places)
    ]


def reached_libraries(house: dict[str, Source], room: str) -> set[str]:
    """The heavy libraries that importing everything in `room` loads, by way of other own modules too."""
    graph, reached, ahead = edges(house), set(), [name for name in house if name == room or name.startswith(f"{room}.")]
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += graph[module]
    return {name.split(".")[0] for module in reached for name in house[module].imports()} & set(HEAVY)


def imports_by_name(house: dict[str, Source]) -> list[str]:
    """Modules that import others by a name in a string, where this file cannot follow. Few may, see IMPORTS_BY_NAME."""
    return [module for module, source in house.items() if "importlib.import_module" in source.imports()]


def side_doors(house: dict[str, Source]) -> list[str]:
    """Engines reached past engines/base.py from the rooms above, and settings read outside the roof."""
    found = []
    for module, targets in edges(house).items():
        floor = FLOORS[house[module].room]
        for target in sorted(targets):
            above = FLOORS["engines"] < floor < FLOORS["roof"]
            past_base = house[target].room == "engines" and target not in OPEN_ENGINES
            if (above and past_base) or (target == SETTINGS and floor != FLOORS["roof"]):
                found.append(f"{module} imports {target}")
    return found


def oversized(paths: list[Path]) -> list[str]:
    """Files and functions over the wall."""
    found = []
    for path in paths:
        text = path.read_text()
        lines = text.count("\n")
        if lines > LONGEST_FILE:
            found.append(f"{path.name} has {lines} lines")
        for node in ast.walk(ast.parse(text, str(path))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append(f"{path.name}: {node.name} has {length} lines")
    return found


def missing_files(paths: list[Path], names: set[str]) -> list[str]:
    """Python files that a docstring names and that are not among `names`, nor in ELSEWHERE."""
    found = []
    for path in paths:
        nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DOCUMENTED))
        text = " ".join(ast.get_docstring(node) or "" for node in nodes)
        found += [
            f"{path.name} names {name}" for name in re.findall(r"\w+\.py\b", text) if name not in names | ELSEWHERE
        ]
    return found


def own_files() -> list[Path]:
    """Every Python file of the repository, tests, training and benchmarks included."""
    folders = (PACKAGE, "tests", "training", "benchmarks", "translations")
    return [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


HOUSE = sources(ROOT)


def test_every_module_has_a_floor() -> None:
    assert {source.room for source in HOUSE.values()} <= set(FLOORS)


def test_imports_go_downwards() -> None:
    assert upward_edges(HOUSE) == []


def test_no_circles() -> None:
    assert circles(HOUSE) == []


def test_heavy_libraries_stay_in_their_files() -> None:
    assert misplaced_libraries(HOUSE) == []


@pytest.mark.parametrize(("room", "library"), WITHOUT_A_RUNTIME.items())
def test_readers_and_passes_know_no_runtime(room: str, library: str) -> None:
    assert library not in reached_libraries(HOUSE, room)


def test_engines_are_seen_through_their_contract_and_settings_from_the_roof() -> None:
    assert side_doors(HOUSE) == []


def test_imports_stand_at_the_top() -> None:
    late = {name: list(source.late_imports()) for name, source in HOUSE.items()}
    assert {name: lines for name, lines in late.items() if lines} == {}


def test_only_the_engine_registry_imports_by_name() -> None:
    assert imports_by_name(HOUSE) == list(IMPORTS_BY_NAME)


def test_files_and_functions_stay_small() -> None:
    assert oversized(own_files()) == []


def test_every_file_says_what_it_is() -> None:
    silent = [name for name, source in HOUSE.items() if source.tree.body and not ast.get_docstring(source.tree)]
    assert silent == []


def test_docstrings_name_files_that_exist() -> None:
    here = {path.name for path in own_files()}
    assert missing_files([path for path in own_files() if path != Path(__file__).resolve()], here) == []


# --- The rules themselves, on houses that break them -----------------------------------------------------------------


def build(root: Path, files: dict[str, str]) -> dict[str, Source]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sources(root)


@pytest.mark.parametrize(
    "text",
    [
        "import bksdm_demo.ui.page",
        "from bksdm_demo.ui import page",
        "from bksdm_demo.ui.page import build",
        "from ..ui import page",
        "def late():\n    from bksdm_demo.ui.page import build",
    ],
)
def test_an_upward_edge_is_found(tmp_path: Path, text: str) -> None:
    house = build(tmp_path, {"bksdm_demo/mil/package.py": text, "bksdm_demo/ui/page.py": ""})
    assert upward_edges(house) == ["bksdm_demo.mil.package imports bksdm_demo.ui.page"]


def test_a_downward_edge_and_a_neighbour_pass(tmp_path: Path) -> None:
    text = "from bksdm_demo.mil.package import read\nfrom . import theme\n"
    files = {"bksdm_demo/ui/page.py": text, "bksdm_demo/ui/theme.py": "", "bksdm_demo/mil/package.py": ""}
    house = build(tmp_path, files)
    assert upward_edges(house) == []
    assert edges(house)["bksdm_demo.ui.page"] == {"bksdm_demo.mil.package", "bksdm_demo.ui.theme"}


def test_a_circle_in_one_room_is_found(tmp_path: Path) -> None:
    files = {
        "bksdm_demo/mil/a.py": "from bksdm_demo.mil import b",
        "bksdm_demo/mil/b.py": "from bksdm_demo.mil.c import thing",
        "bksdm_demo/mil/c.py": "import bksdm_demo.mil.a",
    }
    assert circles(build(tmp_path, files)) == [
        "bksdm_demo.mil.a -> bksdm_demo.mil.b -> bksdm_demo.mil.c -> bksdm_demo.mil.a"
    ]


def test_a_misplaced_library_is_found(tmp_path: Path) -> None:
    files = {
        "bksdm_demo/translate/ops/conv.py": "from openvino import opset13",
        "bksdm_demo/diffusion/vae.py": "import openvino.runtime as ov",
        "bksdm_demo/cli/app.py": "import torch",
    }
    assert misplaced_libraries(build(tmp_path, files)) == [
        "bksdm_demo.cli.app imports torch",
        "bksdm_demo.diffusion.vae imports openvino.runtime",
    ]


def test_a_runtime_reached_by_way_of_another_module_is_found(tmp_path: Path) -> None:
    files = {
        "bksdm_demo/translate/passes/fuse.py": "from bksdm_demo.translate import kinds",
        "bksdm_demo/translate/kinds.py": "from bksdm_demo.translate.ops.conv import NAME",
        "bksdm_demo/translate/ops/conv.py": "import openvino.opset13 as op",
    }
    house = build(tmp_path, files)
    assert misplaced_libraries(house) == []
    assert reached_libraries(house, "bksdm_demo.translate.passes") == {"openvino"}


def test_side_doors_are_found(tmp_path: Path) -> None:
    files = {
        "bksdm_demo/engines/base.py": "",
        "bksdm_demo/engines/registry.py": "",
        "bksdm_demo/settings.py": "",
        "bksdm_demo/runs/pipeline_cache.py": "from bksdm_demo.engines.registry import open_engine",
        "bksdm_demo/diffusion/vae.py": "from bksdm_demo.engines.base import Engine",
        "bksdm_demo/ui/page.py": "from bksdm_demo.settings import Settings",
        "app.py": "from bksdm_demo.settings import Settings\nfrom bksdm_demo.engines.registry import open_engine",
    }
    assert sorted(side_doors(build(tmp_path, files))) == [
        "bksdm_demo.runs.pipeline_cache imports bksdm_demo.engines.registry",
        "bksdm_demo.ui.page imports bksdm_demo.settings",
    ]


def test_oversized_code_is_found(tmp_path: Path) -> None:
    long_function = "def long():\n" + "    pass\n" * LONGEST_FUNCTION
    (tmp_path / "tall.py").write_text(long_function)
    (tmp_path / "long.py").write_text("x = 1\n" * (LONGEST_FILE + 1))
    assert oversized(sorted(tmp_path.glob("*.py"))) == ["long.py has 401 lines", "tall.py: long has 81 lines"]


def test_a_docstring_that_names_a_missing_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""See b.py."""\ndef f():\n    """As in c.py and diffusers\' nowhere.py."""\n')
    assert missing_files([tmp_path / "a.py"], {"b.py"}) == ["a.py names c.py", "a.py names nowhere.py"]
