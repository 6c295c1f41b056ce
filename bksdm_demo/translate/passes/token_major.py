"""Runs transformer blocks on tokens [B, S, C] in place of Apple's channel-major rows [B, C, 1, S].

The Neural Engine wants channels first; a processor's matrix products and fused attention want them last. A block is a
connected set of operations that have a token-major form (token_major_forms.py) and include an attention. Moving only
part of a block would cost more in transposes than it gains. Rows are transposed where they enter and leave the block,
together with the reshape from or to a picture [B, C, H, W] where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.added_ops import MULTI_HEAD
from bksdm_demo.translate.passes.attention_sites import is_token_row
from bksdm_demo.translate.passes.rewrite import Index, added_ints, needed, only
from bksdm_demo.translate.passes.token_major_forms import TokenMajorForm, token_major_form

Shape = tuple[int | None, ...]


def run_token_major(program: Program) -> tuple[Program, int]:
    """The program with its transformer blocks token-major, and the number of blocks."""
    index = Index(program)
    forms = {
        id(operation): form
        for operation in program.operations
        if (form := token_major_form(index, operation)) is not None
    }
    blocks = _blocks(program.operations, forms)
    if not blocks:
        return program, 0
    chosen = {id(operation): forms[id(operation)] for block in blocks for operation in block}
    return _Writer(program, index, chosen).write(), len(blocks)


def _blocks(operations: Iterable[Operation], forms: Mapping[int, TokenMajorForm]) -> list[list[Operation]]:
    """Operations with a token-major form, grouped by the rows they pass on; only groups with an attention."""
    groups: dict[int, list[Operation]] = {}
    group_of: dict[str, int] = {}  # by row
    for place, operation in enumerate(operations):
        if id(operation) not in forms:
            continue
        read = {name for names in forms[id(operation)].rows.values() for name in names}
        members = [
            member for group in {group_of[name] for name in read & set(group_of)} for member in groups.pop(group)
        ]
        groups[place] = [*members, operation]
        group_of.update({value.name: place for member in groups[place] for value in member.outputs})
    return [group for group in groups.values() if any(operation.kind == MULTI_HEAD for operation in group)]


@dataclass
class _Writer:
    """Writes the program anew, operation by operation."""

    program: Program
    index: Index
    forms: Mapping[int, TokenMajorForm]  # by the operation's id
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)  # row -> the same as tokens
    inside: set[str] = field(default_factory=set)  # rows that so far exist only as tokens

    def write(self) -> Program:
        for operation in self.program.operations:
            if id(operation) in self.forms:
                self._move(operation, self.forms[id(operation)])
            elif not self._unroll(operation):
                self._leave(name for names in operation.inputs.values() for name in names)
                self.operations.append(operation)
        self._leave(self.program.outputs)
        operations = needed(self.operations, self.program.outputs)
        return replace(self.program, operations=operations, constants={**self.program.constants, **self.constants})

    def _move(self, operation: Operation, form: TokenMajorForm) -> None:
        """Writes the token-major form of an operation of a block."""
        inputs = {**form.kept, **{key: tuple(map(self._entered, names)) for key, names in form.rows.items()}}
        outputs: list[Value] = []
        for value in operation.outputs:
            batch, channels, _, length = value.type.shape
            outputs.append(Value(f"{value.name}:tokens", TensorType(value.type.dtype, (batch, length, channels))))
            self.tokens[value.name] = outputs[-1].name
            self.inside.add(value.name)
        for key, constant in form.made.items():
            inputs[key] = (self._constant(f"{outputs[0].name}:{key}", constant),)
        self.operations.append(Operation(form.kind, operation.name, inputs, tuple(outputs)))

    def _entered(self, row: str) -> str:
        """The tokens of a row, transposed here if it comes from outside the block."""
        if row in self.tokens:
            return self.tokens[row]
        made = f"{row}:tokens"
        batch, channels, _, length = self.index.shape(row)
        dtype = self.index.type(row).dtype
        picture = self._picture(row)
        if picture is None:
            flat = self._reshape(row, f"{row}:flat", (batch, channels, length), dtype)
            self._transpose(flat, made, (0, 2, 1), (batch, length, channels), dtype)
        else:
            _, _, height, width = self.index.shape(picture)
            last = self._transpose(picture, f"{row}:last", (0, 2, 3, 1), (batch, height, width, channels), dtype)
            self._reshape(last, made, (batch, length, channels), dtype)
        self.tokens[row] = made
        return made

    def _picture(self, row: str) -> str | None:
        """The picture [B, C, H, W] that was reshaped to this row, or None."""
        reshape = self.index.producer(row, "reshape")
        source = only(reshape, "x") if reshape is not None else None
        fits = source is not None and _same_channels(self.index.shape(source), self.index.shape(row))
        return source if fits else None

    def _unroll(self, operation: Operation) -> bool:
        """Writes a row's reshape to a picture [B, C, H, W] from the tokens; False for any other operation."""
        value, row = operation.outputs[0], only(operation, "x") if operation.kind == "reshape" else None
        if row is None or row not in self.inside or is_token_row(value.type.shape):
            return False
        if not _same_channels(value.type.shape, self.index.shape(row)):
            return False
        batch, channels, height, width = value.type.shape
        last = self._reshape(self.tokens[row], f"{value.name}:last", (batch, height, width, channels), value.type.dtype)
        self._transpose(last, value.name, (0, 3, 1, 2), value.type.shape, value.type.dtype)
        return True

    def _leave(self, names: Iterable[str]) -> None:
        """Transposes back the rows that something outside the block reads."""
        for row in names:
            if row not in self.inside:
                continue
            shape, dtype = self.index.shape(row), self.index.type(row).dtype
            flat = self._transpose(self.tokens[row], f"{row}:flat", (0, 2, 1), (shape[0], shape[1], shape[3]), dtype)
            self._reshape(flat, row, shape, dtype)
            self.inside.remove(row)

    def _reshape(self, source: str, made: str, shape: Shape, dtype: str) -> str:
        return self._added("reshape", source, made, shape, dtype, "shape", shape)

    def _transpose(self, source: str, made: str, perm: tuple[int, ...], shape: Shape, dtype: str) -> str:
        return self._added("transpose", source, made, shape, dtype, "perm", perm)

    def _added(self, kind: str, source: str, made: str, shape: Shape, dtype: str, key: str, numbers: Shape) -> str:
        constant = self._constant(f"{made}:{key}", added_ints(numbers))
        value = Value(made, TensorType(dtype, shape))
        self.operations.append(Operation(kind, made, {"x": (source,), key: (constant,)}, (value,)))
        return made

    def _constant(self, name: str, constant: Constant) -> str:
        self.constants[name] = constant
        return name


def _same_channels(picture: Shape, row: Shape) -> bool:
    """Whether a picture [B, C, H, W] and a row [B, C, 1, S] differ only in the layout of the pixels."""
    return len(picture) == 4 and None not in picture and picture[:2] == row[:2] and is_token_row(row)
