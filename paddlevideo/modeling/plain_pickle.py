"""A reader of pickles that can build nothing but plain data.

A pickle is a program. The standard library's interpreter can be kept from calling what it should not, but not from
reserving gigabytes for one damaged byte, or from hashing for hours what a few DUPs have nested. This one executes the
instructions plain data needs, calls only the builders it is given, and holds nothing that was not in the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection, Mapping
from typing import Any, BinaryIO

from paddlevideo.modeling.pickle_builders import Builder, Inert, Name, RefusedError, checked_items, set_state

PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}


def load(
    file: BinaryIO,
    size: int,
    builders: Mapping[Name, Any],
    persistent: Callable[[Any], Any] | None = None,
    inert: Collection[str] = (),
) -> Any:
    """Executes one pickle from where `file` stands, leaving it right behind.

    Args:
        size: bytes of the whole file. What the builders are given in all may be some times as much, not more: a short
            pickle can ask for one long text a million times.
        builders: what the names in the file stand for; any other name is refused. A `Builder` may be called.
        persistent: what a persistent id stands for; None refuses them.
        inert: packages whose objects become `Inert`, with nothing imported or called.

    Raises:
        Exception: of nearly any kind, for a damaged or unsafe pickle; nothing was run.
    """
    return _Machine(builders, persistent, inert, size).run(file)


class _Bounded:
    """A file that is asked for no more than it can have, whatever a length in it says."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.readline = file.readline
        self._read = file.read
        self._size = size

    def read(self, count: int) -> bytes:
        return self._read(min(count, self._size))


class _Machine:
    """The stack, the memo and the instructions."""

    def __init__(
        self,
        builders: Mapping[Name, Any],
        persistent: Callable[[Any], Any] | None,
        inert: Collection[str],
        size: int,
    ) -> None:
        self.builders = builders
        self.persistent = persistent
        self.inert = inert
        self.size = size
        self.allowance = 4 * size + 2**24
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each open mark
        self.memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> Any:
        for opcode, argument, _ in pickletools.genops(_Bounded(file, self.size)):  # type: ignore[arg-type]
            name = opcode.name
            if name in PUSHED:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name]())
            elif name == "STOP":
                return self.stack.pop()
            elif name not in ("PROTO", "FRAME"):
                step = getattr(self, f"on_{name.lower()}", None)
                if step is None:
                    raise RefusedError(f"it uses {name}, which plain data does not need")
                step(*(() if argument is None else (argument,)))
        raise RefusedError("it ends in the middle")

    # the stack and the memo

    def on_mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def on_pop_mark(self) -> list[Any]:
        """What lies above the last mark, taken off."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def on_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.on_pop_mark()

    def on_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def on_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def on_get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def on_memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    on_binput = on_long_binput = on_put
    on_binget = on_long_binget = on_get

    # containers

    def on_tuple(self) -> None:
        items = tuple(self.on_pop_mark())
        self.stack.append(items)

    def _last(self, count: int) -> None:
        items = tuple(self.stack.pop() for _ in range(count))
        self.stack.append(items[::-1])

    def on_tuple1(self) -> None:
        self._last(1)

    def on_tuple2(self) -> None:
        self._last(2)

    def on_tuple3(self) -> None:
        self._last(3)

    def on_list(self) -> None:
        items = self.on_pop_mark()
        self.stack.append(items)

    def on_append(self) -> None:
        item = self.stack.pop()
        self._extend([item])

    def on_appends(self) -> None:
        items = self.on_pop_mark()
        self._extend(items)

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Inert):
            raise RefusedError(f"it appends to a {type(target).__name__}")

    def on_dict(self) -> None:
        items = self.on_pop_mark()
        self.stack.append({})
        self._update(items)

    def on_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def on_setitems(self) -> None:
        items = self.on_pop_mark()
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if len(items) % 2 or not isinstance(target, dict | Inert):
            raise RefusedError(f"it sets items of a {type(target).__name__}")
        if isinstance(target, dict):
            target.update(checked_items(zip(items[::2], items[1::2])))

    # names and calls

    def on_global(self, text: str) -> None:
        module, _, name = text.partition(" ")
        self._name(module, name)

    def on_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("it names something by what is not text")
        if (module, name) in self.builders:
            self.stack.append(self.builders[module, name])
        elif module.split(".")[0] in self.inert:
            self.stack.append(Inert(f"{module}.{name}"))
        else:
            raise RefusedError(f"it asks to run {module}.{name}")

    def _spend(self, arguments: Any) -> None:
        """Counts what a builder is about to copy."""
        if not isinstance(arguments, tuple):
            raise RefusedError(f"it passes a {type(arguments).__name__} as arguments")
        sized = (str, bytes, bytearray, list, tuple)
        self.allowance -= sum(len(item) for item in arguments if isinstance(item, sized))
        if self.allowance < 0:
            raise RefusedError("it makes many times more data than the file holds")

    def on_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self._spend(arguments)
        if isinstance(function, Inert):
            self.stack.append(function)
        elif isinstance(function, Builder):
            self.stack.append(function.build(*arguments))
        else:
            raise RefusedError(f"it calls a {type(function).__name__}")

    on_newobj = on_reduce  # cls.__new__(cls, *arguments): the builders do not tell the two apart

    def on_build(self) -> None:
        """The state of an object, set on what lies below it."""
        state = self.stack.pop()
        if isinstance(state, tuple):
            self._spend(state)
        set_state(self.stack[-1], state)

    def on_binpersid(self) -> None:
        if self.persistent is None:
            raise RefusedError("it refers to data outside itself")
        self.stack.append(self.persistent(self.stack.pop()))
