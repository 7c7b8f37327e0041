"""YAML files as trees that remember where each value was written, so that a fault can name file and line.

Inheritance (`_base_: other.yaml`) and command-line overrides (`MODEL.head.num_classes=5`) are edits of such trees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from paddlevideo.utils.errors import UserError

BASE_KEY = "_base_"
PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
OVERRIDE = "-o "  # how the `where` of a value from the command line begins
NAMING_KEYS = ("name", "framework", "format")


@dataclass
class Node:
    """One value of a YAML file: `value` is a scalar, a list of Nodes or a dict of Nodes; `where` is `file:line`."""

    value: Any
    where: str
    key_where: dict[str, str] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


class _Loader(yaml.SafeLoader):
    """Safe YAML, plus two spellings that PaddleVideo files use: 1e-4 is a number and None is null."""

    yaml_implicit_resolvers = {  # copied, so that yaml.SafeLoader itself stays as it is
        first: list(pairs) for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), "-+0123456789")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^None$"), "N")


def read(path: str | Path) -> Node:
    """Reads a YAML file and the files it inherits from. Raises UserError naming the file, and the line of a fault."""
    return _read(Path(path), ())


def _read(path: Path, readers: tuple[Path, ...]) -> Node:
    if path.resolve() in readers:
        raise UserError(f"{readers[-1]}: {BASE_KEY}: {path} inherits from itself")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such config file; check the path given with -c") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"{path}: cannot be read as a text file ({reason})") from None
    tree = parse(text, str(path))
    if tree.value is None:
        raise UserError(f"{path}: the file is empty; a config needs at least MODEL, DATASET and PIPELINE")
    if not isinstance(tree.value, dict):
        raise UserError(f"{tree.where}: a config is a mapping of sections, this is a {type(tree.value).__name__}")
    base = tree.value.pop(BASE_KEY, None)
    if base is None:
        return tree
    if not isinstance(base.value, str):
        raise UserError(f"{base.where}: {BASE_KEY}: expected a path, got {base.plain()!r}")
    return _merge(_read(path.parent / base.value, (*readers, path.resolve())), tree)


def parse(text: str, name: str, lines: bool = True) -> Node:
    """Parses YAML text; `name` stands for the file in positions, which have a line unless `lines` is False."""
    loader = _Loader(text)

    def place(mark: yaml.Mark | None) -> str:
        return f"{name}:{mark.line + 1 if mark else 1}" if lines else name

    try:
        root = loader.get_single_node()
        return Node(None, place(None)) if root is None else _convert(loader, root, place)
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{place(error.problem_mark)}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _convert(loader: _Loader, node: yaml.Node, place: Callable[[yaml.Mark], str]) -> Node:
    where = place(node.start_mark)
    if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
        raise UserError(f"{where}: the tag '{node.tag}' is not allowed; a config is plain data")
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(loader, child, place) for child in node.value], where)
    if not isinstance(node, yaml.MappingNode):
        return Node(loader.construct_object(node), where)
    own = {key.value for key, _ in node.value}
    if len(own) < len(node.value):
        keys = [key.value for key, _ in node.value]
        twice = next(key for key, _ in reversed(node.value) if keys.count(key.value) > 1)
        raise UserError(f"{place(twice.start_mark)}: the key '{twice.value}' is given twice")
    loader.flatten_mapping(node)
    tree = Node({}, where)
    for key, child in node.value:
        tree.value[str(key.value)] = _convert(loader, child, place)
        tree.key_where[str(key.value)] = place(key.start_mark)
    return tree


def _merge(base: Node, child: Node) -> Node:
    """`child` over `base`: mappings key by key, everything else (lists too) replaced.

    A component that names another class replaces the base's one whole: its arguments would not fit.
    """
    if not (isinstance(base.value, dict) and isinstance(child.value, dict)):
        return child
    for key in NAMING_KEYS:
        if key in base.value and key in child.value and base.value[key].value != child.value[key].value:
            return child
    merged = Node(dict(base.value), child.where, {**base.key_where, **child.key_where})
    for key, value in child.value.items():
        merged.value[key] = _merge(base.value[key], value) if key in base.value else value
    return merged


def override(tree: Node, assignments: Iterable[str]) -> None:
    """Applies `a.b.2.c=value` assignments to `tree` in place: values are YAML, lists are addressed by index.

    Intermediate mappings that do not exist are made; whether their keys mean anything is the schema's to say.
    Raises UserError for text without `=`, a bad index, or a path through a scalar.
    """
    for text in assignments:
        path, equals, value = text.partition("=")
        where = f"{OVERRIDE}{text}"
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise UserError(f"{where}: expected PATH=VALUE, such as MODEL.head.num_classes=5")
        node = tree
        for key in keys[:-1]:
            node = _descend(node, key, where)
        new = parse(value, where, lines=False)
        last = keys[-1]
        if isinstance(node.value, list):
            node.value[_index(node, last, where)] = new
        elif isinstance(node.value, dict) or node.value is None:
            node.value = {**(node.value or {}), last: new}
            node.key_where[last] = where
        else:
            raise UserError(f"{where}: '{keys[-2] if len(keys) > 1 else ''}' is {node.plain()!r}, it has no '{last}'")


def _descend(node: Node, key: str, where: str) -> Node:
    if isinstance(node.value, list):
        return node.value[_index(node, key, where)]
    if node.value is None:
        node.value = {}
    if not isinstance(node.value, dict):
        raise UserError(f"{where}: '{key}' is looked for in {node.plain()!r}, which is not a mapping")
    if key not in node.value:
        node.value[key] = Node({}, where)
        node.key_where[key] = where
    return node.value[key]


def _index(node: Node, key: str, where: str) -> int:
    if not re.fullmatch(r"-?\d+", key) or not -len(node.value) <= int(key) < len(node.value):
        raise UserError(
            f"{where}: '{key}' is not an index of this list of {len(node.value)} (0..{len(node.value) - 1})"
        )
    return int(key)
