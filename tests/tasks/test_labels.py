"""Label files in both spellings."""

from pathlib import Path

import pytest

from paddlevideo.tasks.labels import read_labels
from paddlevideo.utils.errors import UserError


@pytest.mark.parametrize(
    "text",
    ["0 a b\n1 c\n2 d\n", "2 d\n0 a b\n\n1 c\n", "a b\nc\nd\n", "\ufeffa b\nc\nd"],
    ids=["ids", "any order", "names", "bom"],
)
def test_both_spellings(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8")
    assert read_labels(str(path), 3) == ["a b", "c", "d"]


def test_names_in_the_config_itself() -> None:
    assert read_labels(["a b", "c"], 2) == ["a b", "c"]
    with pytest.raises(UserError, match="the names given as labels: no name for class 2, but the model has 3"):
        read_labels(["a b", "c"], 3)
    with pytest.raises(UserError, match="the names given as labels: 'a' is the name of two classes"):
        read_labels(["a", "b", "a"], 3)


def test_without_a_file_the_ids_are_the_names() -> None:
    assert read_labels(None, 3) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 a\n0 b\n", ":2: class 0 is named a second time"),
        ("0 a\n2 b\n", "no name for class 1"),
        ("a\nb\nc\n", "3 names, but the model has 2 classes"),
        ("", "no name for class 0"),
        ("a b\nc\na b\n", ":3: 'a b' is the name of class 0 as well as of class 2"),
        ("1 a\n0 a\n", ":2: 'a' is the name of class 1 as well as of class 0"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_labels(str(path), 2)
    assert str(path) in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("data", [b"0 caf\xe9\n", "a\nb\n".encode("utf-16")])
def test_a_file_that_is_no_text(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(UserError, match=r"labels.txt: the label file \(DATASET.labels\) cannot be read: it is not UTF"):
        read_labels(str(tmp_path / "labels.txt"), 2)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(str(tmp_path / "none.txt"), 2)
