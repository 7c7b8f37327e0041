"""From a YAML tree to checked, typed values: the constructor is the schema.

`bind` walks a tree beside a type annotation and reports every fault at once. Annotations mean:

    int, float, bool, str, Literal, X | None, list[X], tuple[X, ...], dict[str, X]     plain values
    a dataclass                                          a nested section with those fields
    Annotated[X, TABLE]                                  a component named in that table, built
    Annotated[Spec, TABLE]                               the same, left for the program to build when it wants it
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from paddlevideo import yaml_tree
from paddlevideo.registry import Registry, did_you_mean
from paddlevideo.utils.errors import UserError
from paddlevideo.yaml_tree import Node

REQUIRED = inspect.Parameter.empty
Root = TypeVar("Root")


class ConfigError(UserError):
    """All faults of a config, one a line."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(dict.fromkeys(faults))
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True)
class Spec:
    """A component that is checked but not built: what to call, with which arguments, and where it was written."""

    target: Callable[..., Any]
    arguments: dict[str, Any]
    path: str
    where: str
    naming: tuple[str, str] | None = None  # ("name", "TSMHead"); None for a section
    sound: bool = True  # no fault was found in its arguments

    def build(self) -> Any:
        """Calls the target. A ValueError becomes a ConfigError."""
        faults: list[str] = []
        built = _build(self, faults)
        if faults:
            raise ConfigError(faults)
        return built

    def plain(self) -> dict[str, Any]:
        """The component as a YAML mapping with every argument written out, defaults too."""
        takes = parameters(self.target).items()
        values = {name: _plain(self.arguments.get(name, default)) for name, (_, default) in takes}
        return {self.naming[0]: self.naming[1], **values} if self.naming else values


@dataclass
class Check:
    """What binding found: faults (the config is wrong) and notes (keys read but not needed).

    Attributes:
        ignored: keys that may be given but are not needed, "Owner.key" -> reason.
        shared: keys whose value every component gets that takes an argument of this name.
        replaced: shared key -> places that had another value.
    """

    ignored: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, Node] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, where: str, path: str, text: str) -> None:
        self.faults.append(f"{where}: {path}: {text}" if path else f"{where}: {text}")

    def trial(self) -> Check:
        """A scratch check, for trying one member of a union."""
        return Check(self.ignored, self.shared)

    def adopt(self, other: Check) -> None:
        self.faults += other.faults
        self.notes |= other.notes
        for key, places in other.replaced.items():
            self.replaced.setdefault(key, []).extend(places)


@dataclass(frozen=True)
class Resolved(typing.Generic[Root]):
    """A config that passed: the typed root, the same as plain YAML data, and what to announce once.

    Attributes:
        notes: keys that are not needed -> the reason.
        replaced: shared key -> places of the file whose value it replaced.
    """

    root: Root
    data: dict[str, Any]
    notes: dict[str, str]
    replaced: dict[str, list[str]]


def load(
    path: str | Path,
    schema: type[Root],
    overrides: Iterable[str] = (),
    ignored: Mapping[str, str] | None = None,
    shared: Sequence[str] = (),
) -> Resolved[Root]:
    """Reads, inherits, overrides, checks and builds a config.

    Args:
        path: the YAML file.
        schema: the dataclass of the file's root.
        overrides: `a.b.2.c=value` texts.
        ignored: keys that are read but not needed, as "Owner.key" (or "key" at the root) -> reason.
        shared: keys of the root whose value every component below gets that takes an argument of this name, in place of
            what the file says there; what an override says there stands.
    Raises:
        ConfigError: every fault found, one a line, each with file:line and the YAML path.
    """
    tree = yaml_tree.read(path)
    yaml_tree.override(tree, overrides)
    return resolve(tree, schema, ignored, shared)


def resolve(
    tree: Node, schema: type[Root], ignored: Mapping[str, str] | None = None, shared: Sequence[str] = ()
) -> Resolved[Root]:
    """`load` for a tree already read."""
    check = Check(ignored or {}, _shared(tree, schema, shared))
    spec = bind(tree, schema, "", check)
    root = _build(spec, check.faults)  # what is sound is built even beside faults, so that wrong values show too
    if check.faults:
        raise ConfigError(check.faults)
    return Resolved(root, spec.plain(), check.notes, check.replaced)


# --- binding: tree + annotation -> value, or faults -------------------------------------------------------------------


def bind(node: Node, annotation: Any, path: str, check: Check) -> Any:
    """The value of `node` read as `annotation`; what does not fit goes into `check.faults`."""
    if annotation in (Any, REQUIRED, object):
        return node.plain()
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    table = next((extra for extra in args[1:] if isinstance(extra, Registry)), None)
    if origin is typing.Annotated:
        return bind(node, args[0], path, check) if table is None else _bind_component(node, table, path, check)
    if dataclasses.is_dataclass(annotation):
        return _bind_arguments(node, typing.cast(Callable[..., Any], annotation), path, check, naming=None)
    if origin in (Union, types.UnionType):
        return _bind_union(node, args, path, check)
    if origin is Literal:
        if node.value not in args or isinstance(node.value, bool) != any(isinstance(a, bool) for a in args):
            near = did_you_mean(str(node.plain()), args)
            check.fault(node.where, path, f"expected one of {', '.join(map(repr, args))}, got {node.plain()!r}{near}")
        return node.value
    if origin in (list, tuple, Sequence) or annotation in (list, tuple):
        return _bind_sequence(node, origin or annotation, args, path, check)
    if origin is dict or annotation is dict:
        return _bind_dict(node, args, path, check)
    return _bind_scalar(node, annotation, path, check)


def _bind_scalar(node: Node, annotation: Any, path: str, check: Check) -> Any:
    value = node.value
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if annotation is type(None):
        annotation = types.NoneType
    if not isinstance(value, annotation) or (isinstance(value, bool) and annotation is not bool):
        check.fault(node.where, path, f"expected {_name(annotation)}, got {_describe(node)}")
    return value


def _bind_sequence(node: Node, kind: Any, args: tuple[Any, ...], path: str, check: Check) -> Any:
    items = node.value
    if isinstance(items, dict) and args and typing.get_origin(args[0]) is typing.Annotated:
        items = [node]  # one component stands for a list of one
    if not isinstance(items, list):
        check.fault(node.where, path, f"expected a list, got {_describe(node)}")
        return None
    fixed = kind is tuple and args and args[-1] is not Ellipsis
    if fixed and len(items) != len(args):
        check.fault(node.where, path, f"expected {len(args)} values, got {len(items)}: {node.plain()!r}")
        return None
    kinds = args if fixed else [args[0] if args else Any] * len(items)
    bound = [bind(item, each, f"{path}.{i}", check) for i, (item, each) in enumerate(zip(items, kinds))]
    return tuple(bound) if kind is tuple else bound


def _bind_dict(node: Node, args: tuple[Any, ...], path: str, check: Check) -> Any:
    if not isinstance(node.value, dict):
        check.fault(node.where, path, f"expected a mapping, got {_describe(node)}")
        return None
    return {key: bind(child, args[1] if args else Any, f"{path}.{key}", check) for key, child in node.value.items()}


def _bind_union(node: Node, members: tuple[Any, ...], path: str, check: Check) -> Any:
    """The first member that fits; else the faults of the likeliest one (a mapping is likeliest a component)."""
    if node.value is None and type(None) in members:
        return None
    trials = []
    for member in members:
        trial = check.trial()
        value = bind(node, member, path, trial)
        if not trial.faults:
            check.adopt(trial)
            return value
        trials.append((member, trial))
    structured = [t for m, t in trials if typing.get_origin(m) is typing.Annotated or dataclasses.is_dataclass(m)]
    real = [trial for member, trial in trials if member is not type(None)]
    if isinstance(node.value, dict) and structured:
        check.adopt(structured[0])
    elif len(real) == 1:
        check.adopt(real[0])
    else:
        names = " or ".join(_name(member) for member in members)
        check.fault(node.where, path, f"expected {names}, got {_describe(node)}")
    return None


def _bind_component(node: Node, table: Registry, path: str, check: Check) -> Any:
    """The three spellings: {name: X, ...}, - X: {...} and - X:."""
    mapping = node.value
    if not isinstance(mapping, dict) or not mapping:
        check.fault(node.where, path, f"expected a {table.kind} ({{{table.key}: ..., ...}}), got {_describe(node)}")
        return None
    if table.key in mapping:
        name, owner = mapping[table.key].value, Node(dict(mapping), node.where, node.key_where)
        del owner.value[table.key]
        where = mapping[table.key].where
    elif len(mapping) == 1:
        ((name, owner),) = mapping.items()
        where = node.key_where.get(name, node.where)
        owner = Node({}, where) if owner.value is None else owner
        path = f"{path}.{name}"
    else:
        check.fault(node.where, path, f"no '{table.key}' says which {table.kind} this is{did_you_mean('', table)}")
        return None
    try:
        target = table.get(str(name))
    except KeyError as error:
        check.fault(where, path, error.args[0])
        return None
    return _bind_arguments(owner, target, path, check, naming=(table.key, str(name)))


def _bind_arguments(
    node: Node, target: Callable[..., Any], path: str, check: Check, naming: tuple[str, str] | None
) -> Spec | None:
    """The keys of a mapping as the arguments of `target`."""
    given = {} if node.value is None else node.value
    if not isinstance(given, dict):
        check.fault(node.where, path, f"expected a mapping, got {_describe(node)}")
        return None
    takes, before = parameters(target), len(check.faults)
    owner = naming[1] if naming else path
    given = _with_shared(given, takes, path, check) if path else given  # the root keeps its own
    arguments = {}
    for key, child in given.items():
        below, where = f"{path}.{key}".lstrip("."), node.key_where.get(key, child.where)
        if key in takes:
            arguments[key] = bind(child, takes[key][0], below, check)
        elif (reason := check.ignored.get(f"{owner}.{key}".lstrip("."))) is not None:
            check.notes[f"{owner}.{key}".lstrip(".")] = reason
        else:
            near = did_you_mean(key, takes)
            check.fault(where, below, f"{owner or 'a config'} takes no '{key}'{near}")
    for key, (annotation, default) in takes.items():
        if default is REQUIRED and key not in given:
            what = f"'{key}' ({_name(annotation)}) is missing"
            check.fault(node.where, f"{path}.{key}".lstrip("."), f"{what}; {owner or 'every config'} needs it")
    return Spec(target, arguments, path, node.where, naming, sound=len(check.faults) == before)


def _shared(tree: Node, schema: type, keys: Sequence[str]) -> dict[str, Node]:
    """The values of the root to hand down; a faulty one is not, so that it is told once."""
    found = {}
    for key in keys:
        if isinstance(tree.value, dict) and key in tree.value and tree.value[key].value is not None:
            trial = Check()
            bind(tree.value[key], parameters(schema)[key][0], key, trial)
            if not trial.faults:
                found[key] = tree.value[key]
    return found


def _with_shared(given: dict[str, Node], takes: Mapping[str, Any], path: str, check: Check) -> dict[str, Node]:
    """The keys of a mapping with the shared values in their places."""
    whole = dict(given)
    for key, node in check.shared.items():
        if key not in takes or (key in given and given[key].where.startswith(yaml_tree.OVERRIDE)):
            continue
        if key in given and given[key].plain() != node.plain():
            check.replaced.setdefault(key, []).append(f"{path}.{key}")
        whole[key] = node
    return whole


def parameters(target: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Argument name -> (annotation, default or REQUIRED) of a class or function."""
    if dataclasses.is_dataclass(target) or not inspect.isclass(target):
        hints = typing.get_type_hints(target, include_extras=True)
    else:
        hints = typing.get_type_hints(target.__init__, include_extras=True)
    taken = {}
    for name, parameter in inspect.signature(target).parameters.items():
        assert parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD), (
            f"{target}: *{name} has no schema"
        )
        taken[name] = (hints.get(name, Any), parameter.default)
    if dataclasses.is_dataclass(target):
        for item in dataclasses.fields(target):
            if item.default_factory is not dataclasses.MISSING and item.name in taken:
                taken[item.name] = (taken[item.name][0], item.default_factory())
    return taken


# --- building ---------------------------------------------------------------------------------------------------------


def _build(value: Any, faults: list[str]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_build(item, faults) for item in value)
    if isinstance(value, dict):
        return {key: _build(item, faults) for key, item in value.items()}
    if not isinstance(value, Spec):
        return value
    takes, before = parameters(value.target), len(faults)
    arguments = {
        name: argument if _unbuilt(takes[name][0]) else _build(argument, faults)
        for name, argument in value.arguments.items()
    }
    if not value.sound or len(faults) > before:
        return None
    try:
        return value.target(**arguments)
    except ConfigError as error:
        faults.extend(error.faults)
    except UserError:
        raise
    except ValueError as error:
        faults.append(": ".join(part for part in (value.where, value.path, str(error)) if part))
    return None


def _unbuilt(annotation: Any) -> bool:
    """Whether the argument asks for the Spec itself, alone or in a union."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return any(_unbuilt(member) for member in typing.get_args(annotation))
    return typing.get_origin(annotation) is typing.Annotated and typing.get_args(annotation)[0] is Spec


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.plain()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _name(annotation: Any) -> str:
    """An annotation in words, for messages."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        table = next((extra for extra in args[1:] if isinstance(extra, Registry)), None)
        return _name(args[0]) if table is None else f"a {table.kind}"
    if origin in (Union, types.UnionType):
        return " or ".join(_name(member) for member in args)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin in (list, tuple, Sequence):
        return "a list"
    if dataclasses.is_dataclass(annotation):
        return "a section"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _describe(node: Node) -> str:
    """A YAML value in words: what was found where something else was expected."""
    if isinstance(node.value, dict):
        return f"a mapping with {', '.join(node.value)}" if node.value else "an empty mapping"
    if isinstance(node.value, list):
        return f"the list {node.plain()!r}"
    words = {bool: "the switch", int: "the integer", float: "the number", str: "the text"}
    return "nothing" if node.value is None else f"{words.get(type(node.value), '')} {node.value!r}".strip()
