"""Reading annotation files: what is well formed comes out as it is, and anything else is the user's to mend."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.tasks.prepare import k400, something, ucf101
from paddlevideo.tasks.prepare.annotations import json_list, lines_of, locate, table
from paddlevideo.utils.errors import UserError

CELLS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=8).map(str.strip)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELLS.filter(bool), CELLS, CELLS), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_tables(rows: list[tuple[str, str, str]], end: str, mark: str, quoting: Any) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerows([("Label", " id", "other"), *rows])
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes((mark + out.getvalue()).encode())
        found = list(table(path, ("id", "label")))
    assert [(row["label"], row["id"], row["other"]) for _, row in found] == rows
    assert [place for place, _ in found] == [f"{path}:{i}" for i in range(2, len(rows) + 2)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.lists(st.integers()), max_size=3), max_size=6
    ),
    st.sampled_from([None, 0, 2]),
    st.integers(0, 3),
)
def test_lists_of_objects(items: list[dict[str, Any]], indent: int | None, blank: int) -> None:
    text = "\n" * blank + json.dumps(items, indent=indent, ensure_ascii=False)
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text(text, encoding="utf-8", newline="")
        found = list(json_list(path))
        lines = path.read_text(encoding="utf-8").split("\n")
    assert [item for _, item in found] == items
    assert all(lines[int(place.rpartition(":")[2]) - 1].lstrip(" [").startswith("{") for place, _ in found)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet='{}[]",:;\n 01ab/', max_size=60).map(str.encode))
@pytest.mark.parametrize(
    ("read", "names"),
    [
        (k400.read, ["train.csv", "val.csv"]),
        (ucf101.read, ["classInd.txt", "trainlist01.txt"]),
        (something.read_v1, ["something-something-v1-labels.csv", "something-something-v1-train.csv"]),
        (something.read_v2, ["labels.json", "train.json"]),
    ],
    ids=["k400", "ucf101", "sthv1", "sthv2"],
)
def test_whatever_is_in_the_files(read: Callable[[Path], object], names: list[str], content: bytes) -> None:
    good = {
        "train.csv": b"label,youtube_id,time_start,time_end\n",
        "classInd.txt": b"1 a\n",
        "something-something-v1-labels.csv": b"a\nb\n",
        "labels.json": b'{"a": 0, "b": 1}',
    }
    for bad in names:
        with TemporaryDirectory() as folder:
            for name in names:
                Path(folder, name).write_bytes(content if name == bad else good.get(name, b""))
            with suppress(UserError):
                read(Path(folder))


def test_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffone\r\n\r\n  two\u2028half \rthree".encode())
    assert list(lines_of(tmp_path / "a")) == [
        (f"{tmp_path}/a:1", "one"),
        (f"{tmp_path}/a:3", "two\u2028half"),
        (f"{tmp_path}/a:4", "three"),
    ]


def test_files_are_found_in_the_folder_before_those_below(tmp_path: Path) -> None:
    for name in ("b/train.csv", ".hidden/train.csv", "c/d/train.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert locate(tmp_path, r"train\.csv", "it") == tmp_path / "b/train.csv"
    (tmp_path / "train.csv").touch()
    assert locate(tmp_path, r"train\.csv", "it") == tmp_path / "train.csv"
    with pytest.raises(UserError, match="it is not there, nor in a folder right below it"):
        locate(tmp_path, r"val\.csv", "it")
