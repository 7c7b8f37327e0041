"""The config checker on a small schema of its own."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo import config, yaml_tree
from paddlevideo.config import ConfigError, Spec
from paddlevideo.registry import Registry
from paddlevideo.utils.errors import UserError

PARTS = Registry("part")
TOOLS = Registry("tool", key="kind")


@PARTS.register
class Gear:
    def __init__(self, teeth: int, ratio: float = 1.0, mode: Literal["fast", "slow"] = "fast") -> None:
        if teeth < 3:
            raise ValueError(f"teeth must be at least 3, got {teeth}")
        self.teeth, self.ratio, self.mode = teeth, ratio, mode


@PARTS.register
class Rod:
    def __init__(self, ends: tuple[int, int] = (0, 1), gear: Annotated[Gear, PARTS] | None = None) -> None:
        self.ends, self.gear = ends, gear
        if gear is None and ends != (0, 1):
            raise ValueError("a rod with ends needs a gear")


@TOOLS.register
class Saw:
    def __init__(self, edge: float | str | None = None) -> None:
        self.edge = edge


@dataclass(frozen=True)
class Section:
    size: int = 8
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Root:
    PART: Annotated[object, PARTS]
    title: str
    LATER: Annotated[Spec, PARTS] | None = None
    TOOL: Annotated[object, TOOLS] | None = None
    STEPS: list[Annotated[object, PARTS]] = field(default_factory=list)
    SECTION: Section = field(default_factory=Section)
    switch: bool = False


GOOD = "title: a\nPART:\n  name: Gear\n  teeth: 8\n"


def resolve(text: str, *overrides: str, ignored: dict[str, str] | None = None) -> config.Resolved[Root]:
    tree = yaml_tree.parse(text, "f.yaml")
    yaml_tree.override(tree, overrides)
    return config.resolve(tree, Root, ignored)


def faults(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(text, *overrides)
    return caught.value.faults


def test_a_good_file_is_built() -> None:
    resolved = resolve(GOOD + "TOOL: {kind: Saw, edge: 1e-4}\nLATER: {name: Rod}\nSECTION: {size: 3}\n")
    root = resolved.root
    assert isinstance(root.PART, Gear) and (root.PART.teeth, root.PART.ratio) == (8, 1.0)
    assert isinstance(root.TOOL, Saw) and root.TOOL.edge == 1e-4
    assert isinstance(root.LATER, Spec) and isinstance(root.LATER.build(), Rod)
    assert Section(3, []) == root.SECTION
    assert resolved.data["PART"] == {"name": "Gear", "teeth": 8, "ratio": 1.0, "mode": "fast"}


def test_the_resolved_data_resolves_to_itself() -> None:
    first = resolve(GOOD + "STEPS:\n- Gear: {teeth: 4}\n- Rod:\nLATER: {name: Rod, gear: {name: Gear, teeth: 5}}\n")
    again = resolve(yaml.safe_dump(first.data))
    assert again.data == first.data


def test_three_spellings_of_a_component() -> None:
    root = resolve(GOOD + "STEPS:\n- {name: Gear, teeth: 4}\n- Gear: {teeth: 5}\n- Rod:\n").root
    assert [type(step) for step in root.STEPS] == [Gear, Gear, Rod]
    one = resolve(GOOD + "STEPS: {Gear: {teeth: 5}}\n").root
    assert len(one.STEPS) == 1


def test_every_fault_at_once_with_line_and_suggestion() -> None:
    text = (
        "title: 3\n"
        "PART:\n"
        "  name: Gear\n"
        "  teth: 8\n"
        "  ratio: high\n"
        "STEPS:\n"
        "- Geer: {teeth: 3}\n"
        "- Rod: {ends: [1, 2, 3]}\n"
        "SECTON: {}\n"
        "switch: 1\n"
    )
    assert faults(text) == [
        "f.yaml:1: title: expected text, got the integer 3",
        "f.yaml:4: PART.teth: Gear takes no 'teth'; did you mean 'teeth'?",
        "f.yaml:5: PART.ratio: expected a number, got the text 'high'",
        "f.yaml:3: PART.teeth: 'teeth' (an integer) is missing; Gear needs it",
        "f.yaml:7: STEPS.0.Geer: there is no part 'Geer'; did you mean 'Gear'?",
        "f.yaml:8: STEPS.1.Rod.ends: expected 2 values, got 3: [1, 2, 3]",
        "f.yaml:9: SECTON: a config takes no 'SECTON'; did you mean 'SECTION'?",
        "f.yaml:10: switch: expected true or false, got the integer 1",
    ]


def test_a_value_the_constructor_refuses_has_its_place() -> None:
    assert faults(GOOD, "PART.teeth=2") == ["f.yaml:3: PART: teeth must be at least 3, got 2"]


def test_a_refused_part_is_not_handed_to_the_whole() -> None:
    """Only the part's own fault is told; the whole is not called with a hole in it."""
    root = resolve(GOOD + "LATER: {name: Rod, ends: [1, 2], gear: {name: Gear, teeth: 2}}\n").root
    assert root.LATER is not None
    with pytest.raises(ConfigError) as caught:
        root.LATER.build()
    assert caught.value.faults == ["f.yaml:5: LATER.gear: teeth must be at least 3, got 2"]


def test_wrong_types_and_refused_values_come_together() -> None:
    text = GOOD + "STEPS:\n- Gear: {teeth: 1}\nswitch: 3\n"
    assert faults(text) == [
        "f.yaml:7: switch: expected true or false, got the integer 3",
        "f.yaml:6: STEPS.0.Gear: teeth must be at least 3, got 1",
    ]


def test_faults_of_overrides_name_the_override() -> None:
    override = "STEPS=[{name: Gear, teeth: x}]"
    assert faults(GOOD, override) == [
        f"-o {override}: STEPS.0.teeth: expected an integer, got the text 'x'",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("PART: {name: Gear, teeth: 8}\n", "f.yaml:1: title: 'title' (text) is missing; every config needs it"),
        (
            GOOD + "  mode: medium\n",
            "f.yaml:5: PART.mode: expected one of 'fast', 'slow', got 'medium'; known: fast, slow",
        ),
        (GOOD + "LATER: Rod\n", "f.yaml:5: LATER: expected a part ({name: ..., ...}), got the text 'Rod'"),
        (GOOD + "TOOL: {edge: 1, x: 2}\n", "f.yaml:5: TOOL: no 'kind' says which tool this is; known: Saw"),
        (GOOD + "SECTION: {size: true}\n", "f.yaml:5: SECTION.size: expected an integer, got the switch True"),
        (GOOD + "SECTION: {names: x}\n", "f.yaml:5: SECTION.names: expected a list, got the text 'x'"),
    ],
)
def test_one_fault(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_overrides() -> None:
    text = GOOD + "STEPS:\n- Gear: {teeth: 5}\n- Rod:\n"
    steps = ["STEPS.0.Gear.teeth=7", "STEPS.1.Rod.gear={name: Gear, teeth: 9}", "STEPS.1.Rod.ends=[4, 5]"]
    root = resolve(text, *steps, "title=a=b", "switch=true", "SECTION.size=2").root
    gear, rod = root.STEPS
    assert isinstance(gear, Gear) and gear.teeth == 7
    assert isinstance(rod, Rod) and rod.ends == (4, 5)
    assert (root.title, root.switch, root.SECTION.size) == ("a=b", True, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("title", "-o title: expected PATH=VALUE"),
        ("STEPS.9.teeth=1", "'9' is not an index of this list of 1"),
        ("title.x.y=1", "'x' is looked for in 'a', which is not a mapping"),
        ("PART.tooth=1", "-o PART.tooth=1: PART.tooth: Gear takes no 'tooth'; did you mean 'teeth'?"),
        ("NEW.deep.key=1", "NEW: a config takes no 'NEW'"),
        ("title=[1", "not valid YAML"),
    ],
)
def test_wrong_overrides(override: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(GOOD + "STEPS:\n- Gear: {teeth: 5}\n", override)
    assert message in str(caught.value)


def test_an_override_is_data_never_code(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    root = resolve(GOOD, f"title=__import__('pathlib').Path('{target}').touch()").root
    assert root.title.startswith("__import__") and not target.exists()


def test_ignored_keys_are_noted_with_their_reason() -> None:
    resolved = resolve(GOOD + "  oil: 3\nOLD: 1\n", ignored={"Gear.oil": "dry gears", "OLD": "gone"})
    assert resolved.notes == {"Gear.oil": "dry gears", "OLD": "gone"}


# --- a value that many places share -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SharingRoot:
    PART: Annotated[object, PARTS]
    STEPS: list[Annotated[object, PARTS]] = field(default_factory=list)
    LATER: Annotated[Spec, PARTS] | None = None
    SECTION: Section = field(default_factory=Section)
    teeth: int | None = None


SHARED = "PART: {name: Gear, teeth: 8}\nSTEPS:\n- Gear:\n- Rod: {gear: {name: Gear, teeth: 9}}\nLATER: {name: Gear}\n"


def share(text: str, *overrides: str) -> config.Resolved[SharingRoot]:
    tree = yaml_tree.parse(text, "f.yaml")
    yaml_tree.override(tree, overrides)
    return config.resolve(tree, SharingRoot, shared=["teeth"])


@pytest.mark.parametrize(("text", "override"), [(SHARED + "teeth: 12\n", []), (SHARED, ["teeth=12"])])
def test_a_shared_value_reaches_every_component(text: str, override: list[str]) -> None:
    """Where the file has another or none though one is needed, inside another component, and left unbuilt."""
    resolved = share(text, *override)
    gear, rod = resolved.root.STEPS
    assert resolved.root.PART.teeth == gear.teeth == rod.gear.teeth == 12  # type: ignore[attr-defined]
    assert resolved.root.LATER is not None and resolved.root.LATER.build().teeth == 12
    assert resolved.replaced == {"teeth": ["PART.teeth", "STEPS.1.Rod.gear.teeth"]}
    again = share(yaml.safe_dump(resolved.data))
    assert again.data == resolved.data and again.replaced == {}


def test_an_override_of_one_place_beats_the_shared_value() -> None:
    root = share(SHARED, "teeth=12", "PART.teeth=5", "STEPS.0={name: Gear, teeth: 6}").root
    assert (root.PART.teeth, root.STEPS[0].teeth, root.STEPS[1].gear.teeth) == (5, 6, 12)  # type: ignore[attr-defined]


def test_without_a_shared_value_the_file_is_as_it_stands() -> None:
    with pytest.raises(ConfigError) as caught:
        share(SHARED)
    assert len(caught.value.faults) == 2 and "f.yaml:3: STEPS.0.Gear.teeth: 'teeth' (an integer)" in str(caught.value)
    root = share(SHARED, "STEPS=[]", "LATER=null", "teeth=null").root
    assert root.PART.teeth == 8  # type: ignore[attr-defined]


def test_a_faulty_shared_value_is_told_at_its_own_place() -> None:
    with pytest.raises(ConfigError) as caught:
        share("teeth: many\nPART: {name: Gear, teeth: 8}\n")
    assert caught.value.faults == ["f.yaml:1: teeth: expected an integer, got the text 'many'"]
    with pytest.raises(ConfigError) as caught:
        share("teeth: 2\nPART: {name: Gear, teeth: 8}\n")
    assert caught.value.faults == ["f.yaml:2: PART: teeth must be at least 3, got 2"]


def test_inheritance(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD + "LATER: {name: Gear, teeth: 9, ratio: 2.0}\nSTEPS: [{Rod: }]\n")
    child = tmp_path / "child.yaml"
    child.write_text("_base_: base.yaml\nPART: {teeth: 4}\nLATER: {name: Rod}\nSTEPS: []\n")
    root = config.load(child, Root).root
    assert root.PART.teeth == 4 and root.STEPS == []  # type: ignore[attr-defined]
    assert root.LATER is not None and root.LATER.plain() == {"name": "Rod", "ends": [0, 1], "gear": None}


def test_unreadable_files(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.write_text("_base_: loop.yaml\n")
    twice = tmp_path / "twice.yaml"
    twice.write_text("a: 1\nb: 2\na: 3\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1\nb: 2\n")
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    hostile = tmp_path / "hostile.yaml"
    hostile.write_text("a: !!python/object/apply:os.system ['touch owned']\n")
    for path, message in [
        (tmp_path / "none.yaml", "there is no such config file"),
        (loop, "inherits from itself"),
        (twice, "twice.yaml:3: the key 'a' is given twice"),
        (broken, "broken.yaml:2: not valid YAML"),
        (empty, "the file is empty"),
        (hostile, "hostile.yaml:1: the tag 'tag:yaml.org,2002:python"),
    ]:
        with pytest.raises(UserError) as caught:
            config.load(path, Root)
        assert message in str(caught.value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).filter(
        lambda text: not re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", text)
    ),  # a number, here
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["title", "PART", "STEPS", "SECTION", "switch", "TOOL", "LATER"]), values, max_size=5
    )
)
def test_any_yaml_is_either_resolved_or_refused_with_a_place(data: dict) -> None:
    tree = yaml_tree.parse(yaml.safe_dump(data), "f.yaml")
    if not isinstance(tree.value, dict):
        return
    try:
        config.resolve(tree, Root)
    except ConfigError as error:
        assert error.faults and all(fault.startswith("f.yaml:") for fault in error.faults)


@settings(deadline=None)
@given(values)
def test_plain_data_survives_the_tree(data: object) -> None:
    text = yaml.safe_dump(data)
    if "None" not in text:
        assert yaml_tree.parse(text, "f").plain() == yaml.safe_load(text)
