"""Finds every message in the sources: calls of the words below, errors, sentences, templates and scripts.

Every text that ends like a sentence is a message, wherever it stands, but for documentation and the log. An f-string
becomes a template: `f"There is no report of kind {kind[:20]!r}."` is the message "There is no report of kind {kind}.",
as the phrase book recognises it. `words.py` lists what else the lower rooms write.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, nodes

from translations.words import WORDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bksdm_demo"
SPOKEN = ("say", "marked", "translated")  # their first argument is a message
COUNTED = ("inflected", "plural")
WHOLE_FILES = ("ui/about_text.py",)  # every text in them is a message
ENGLISH_ONLY = (  # who reads what these say is at a terminal, runs the server, or mends a model's files
    "cli/", "mil/", "translate/", "settings.py", "operator_limits.py", "library_variables.py", "mcp_tools.py",
    "mcp_server.py", "metrics.py", "logs.py", "operator_routes.py", "engines/quantization/", "engines/base.py",
    "engines/coreml", "engines/openvino", "engines/compiled", "engines/registry.py", "engines/child/channel.py",
    "engines/child/isolated_engine.py", "diffusion/schedulers/", "diffusion/noise.py", "diffusion/pipeline.py",
    "diffusion/ports.py", "diffusion/text_encoder.py", "diffusion/tokenizer.py", "diffusion/unet.py",
    "diffusion/vae.py", "diffusion/safety_rules.py", "library/publishing.py", "library/archive.py",
    "library/layout.py", "library/scheduler_config.py", "library/prediction.py", "store/codec.py",
    "store/recovery.py", "store/queries.py", "reports/folder.py", "evaluation/lab", "evaluation/verify",
    "evaluation/votes_export.py", "evaluation/pairs.py", "evaluation/junit.py", "pool/address.py", "pool/beats.py",
    "pool/broker.py", "pool/envelope.py", "pool/messages.py", "pool/nats_library.py", "pool/subjects.py",
    "pool/worker.py", "ui/api.py", "ui/lab_api.py", "ui/pool.py", "ui/sheet_api.py", "ui/vote_api.py",
)  # fmt: skip
SCRIPT_CALL = re.compile(r'\btr\("((?:[^"\\]|\\.)*)"')
LETTERS = re.compile(r"[A-Za-z]{2}")
VALUE = re.compile(r"\{\w*\}")
FEWEST_WORDS = 3  # of a sentence
UNSHOWN = (
    "debug",
    "info",
    "warning",
    "exception",
    "error",
    "ValueError",
    "RuntimeError",
    "AssertionError",
    "TypeError",
)
UNNAMED = re.compile(r"\{(?::[^{}]*)?\}")  # a value of str.format without a name
SHAPED = re.compile(r"\{(\w+)[:!][^{}]*\}")


@dataclass(frozen=True)
class Message:
    """One message and where it stands; `many` is the form for other numbers than one, "" for a message of one form."""

    text: str
    many: str
    file: str
    line: int


@cache
def messages() -> tuple[Message, ...]:
    """Return all messages of the demo, in the order of files and lines."""
    paths = sorted(PACKAGE.rglob("*.py"))
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths if not _is_english(path)}
    constants = {name for tree in trees.values() for name in _raised_names(tree)}
    found: list[Message] = []
    for path, tree in trees.items():
        found += _python(path, tree, constants)
    found += [Message(text, "", "translations/words.py", 0) for text in WORDS]
    for path in sorted(PACKAGE.rglob("*.html")):
        found += _template(path)
    for path in sorted(PACKAGE.rglob("*.js")):
        found += [_message(text, path, line) for line, text in script_messages(path.read_text(encoding="utf-8"))]
    return tuple(found)


def script_messages(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and message of every `tr("...")` in a script."""
    for match in SCRIPT_CALL.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1].replace('\\"', '"')


def _is_english(path: Path) -> bool:
    name = path.relative_to(PACKAGE).as_posix()
    return name.startswith(ENGLISH_ONLY) or path.name == "__main__.py"


def _message(text: str, path: Path, line: int, many: str = "") -> Message:
    return Message(text, many, path.relative_to(ROOT).as_posix(), line)


def _python(path: Path, tree: ast.Module, constants: set[str]) -> Iterator[Message]:
    if path.relative_to(PACKAGE).as_posix() in WHOLE_FILES:
        yield from _all_texts(path, tree)
        return
    yield from _sentences(path, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            yield from _called(path, node)
        elif isinstance(node, ast.Assign) and constants & set(map(_name, node.targets)):
            text = text_of(node.value)
            if text and LETTERS.search(text):
                yield _message(text, path, node.lineno)


def _sentences(path: Path, tree: ast.Module) -> Iterator[Message]:
    """Yield every text that ends like a sentence, but for documentation, the log, and what only programs read."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in (*UNSHOWN, *SPOKEN, *COUNTED):
            skipped |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, (ast.JoinedStr, ast.BinOp)):
            skipped |= {id(inner) for inner in ast.walk(node) if inner is not node}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)) and id(node) not in skipped:
            text = text_of(node)
            if text is not None and _is_sentence(text):
                yield _message(named(text.strip()), path, node.lineno)


def _says_something(text: str) -> bool:
    """Whether a message has a word of its own, or values whose order a language may change."""
    return bool(re.search("[A-Za-z]", VALUE.sub("", text))) or len(VALUE.findall(text)) > 1


def _is_sentence(text: str) -> bool:
    words = [word for word in text.split() if LETTERS.search(word)]
    return re.sub(r"(\{\w*\}|\s)+$", "", text).endswith(".") and len(words) >= FEWEST_WORDS and "<" not in text


def named(text: str) -> str:
    """Give the values of str.format names, and only names: "at most {:,} bytes" is "at most {value} bytes"."""
    numbers = iter(range(1, 100))
    text = SHAPED.sub(r"{\1}", text)
    return UNNAMED.sub(lambda _: "{value}" if (number := next(numbers)) == 1 else f"{{value{number}}}", text)


def _called(path: Path, call: ast.Call) -> Iterator[Message]:
    name = _name(call.func)
    if name in COUNTED and len(call.args) > 1:
        one = text_of(call.args[1])
        many = text_of(call.args[2]) if name == "inflected" and len(call.args) > 2 else f"{one}s"
        if one is not None and _says_something(one):
            shape = "{text}" if name == "inflected" else "{{count}} {text}"
            yield _message(shape.format(text=one), path, call.lineno, shape.format(text=many))
    elif name in SPOKEN or (name.endswith("Error") and name != "ValueError"):
        for text in _texts(call.args[0]):
            if _says_something(text):
                yield _message(named(text), path, call.args[0].lineno)


def _texts(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be: both branches of a choice."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif (text := text_of(node)) is not None:
        yield text


def text_of(node: ast.expr) -> str | None:
    """Return a text, or the template of an f-string or a sum of texts; None for any other expression."""
    parts = list(_parts(node))
    if not any(isinstance(part, str) for part in parts):
        return None
    used: dict[str, int] = {}
    made = ""
    for part in parts:
        if isinstance(part, str):
            made += part
            continue
        name = _value_name(part)
        used[name] = used.get(name, 0) + 1
        made += f"{{{name if used[name] == 1 else f'{name}{used[name]}'}}}"
    return made


def _parts(node: ast.expr) -> Iterator[str | ast.expr]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _parts(value.value if isinstance(value, ast.FormattedValue) else value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _parts(node.left)
        yield from _parts(node.right)
    else:
        yield node


def _value_name(node: ast.expr) -> str:
    """Return a name for an expression: that of the variable or attribute in it."""
    if isinstance(node, ast.Name):
        return node.id.lower().strip("_") or "value"
    if isinstance(node, ast.Attribute):
        return node.attr.lower().strip("_") or "value"
    if isinstance(node, ast.Call):
        return _value_name(node.args[0]) if node.args else _value_name(node.func)
    if isinstance(node, ast.Subscript):
        return _value_name(node.value)
    if isinstance(node, ast.BinOp):
        return _value_name(node.left)
    return "value"


def _name(node: ast.expr) -> str:
    """Return the last word of a name: "say" of `say` and of `languages.say`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _raised_names(tree: ast.Module) -> Iterator[str]:
    """Yield the constants that errors say, or that are translated by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name, first = _name(node.func), node.args[0]
            for one in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
                if isinstance(one, ast.Name) and one.id.isupper() and (name.endswith("Error") or name in SPOKEN):
                    yield one.id


def _all_texts(path: Path, tree: ast.Module) -> Iterator[Message]:
    """Yield every text of a file but its documentation, addresses and figures."""
    hidden = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in COUNTED:
            hidden |= {id(inner) for inner in ast.walk(node)}
            yield from _called(path, node)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in hidden | inside:
            text = text_of(node)
            a_title = bool(text) and (" " in str(text) or str(text)[0].isupper())
            if text and a_title and LETTERS.search(text) and not text.startswith(("https://", "@")):
                yield _message(text.strip(), path, node.lineno)


def _template(path: Path) -> Iterator[Message]:
    for call in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
        name = getattr(call.node, "name", "")
        texts = [argument.value for argument in call.args if isinstance(argument, nodes.Const)]
        if name in SPOKEN and texts:
            yield _message(str(texts[0]), path, call.lineno)
        elif name == "inflected" and len(texts) > 1:
            yield _message(str(texts[-2]), path, call.lineno, str(texts[-1]))
