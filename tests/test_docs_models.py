"""The model pages: their commands parse and name files that exist, and their figures are those of the configs."""

import re
from pathlib import Path

import pytest
from test_readme import test_commands_parse_and_name_files_that_exist as check_command

from paddlevideo.tasks import schema

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs/models").glob("*.md"))
COMMANDS = [
    pytest.param(line, id=f"{page.stem}: {line[:60]}")
    for page in PAGES
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines()
]
ROWS = [
    pytest.param(name, row, id=name)
    for page in PAGES
    for name, row in re.findall(r"^\| `(\w+/\w+\.yaml)` (\|.*\|)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str) -> None:
    check_command(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_overrides_of_commands_fit_the_config(command: str) -> None:
    words = command.replace("=N", "=3").split()
    if "-c" in words:
        path = ROOT / words[words.index("-c") + 1]
        schema.load(path, [word for word in words if re.fullmatch(r"[\w.]+=[\w.]+", word)])


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_figures_are_those_of_the_configs(name: str, row: str) -> None:
    """The first figure of a row is what the config's first lines claim first; a row without one claims nothing."""
    head = (ROOT / "configs/recognition" / name).read_text(encoding="utf-8")
    page, config = re.search(r"(\d\d\.\d+) %", row), re.search(r"# accuracy  (\d\d\.\d+) % top-1", head)
    assert bool(page) == bool(config) and (not page or page[1] == config[1])  # type: ignore[index]


def test_every_recipe_is_on_a_page() -> None:
    folders = ("tsn", "pptsn", "pptsm", "timesformer", "pptimesformer")
    names = {
        f"{folder}/{path.name}" for folder in folders for path in (ROOT / "configs/recognition" / folder).glob("*")
    }
    listed = {row.values[0] for row in ROWS}
    assert names <= listed and {"tsm/pptsm.yaml", "tsm/pptsm_k400.yaml"} <= listed
