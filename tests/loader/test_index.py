"""The index of video files: what is written is read back; files that changed or moved are noticed."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.index import HEADER, VideoFacts, VideoIndex, index_text, read_entries, row_of, stamp
from paddlevideo.utils.errors import UserError

number = st.integers(0, 2**60)
real = st.floats(0, 1e12)
facts = st.builds(
    VideoFacts,
    **dict.fromkeys(("frames", "width", "height", "rotation", "size", "modified", "declared"), number),
    **dict.fromkeys(("fps", "duration"), real),
    **{name: st.text() for name in ("decoder", "reason", "sha256")},
    variable=st.booleans(),
)
# Names as any file system has them, bytes that are no UTF-8 (surrogates) included.
name = st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(lambda text: text not in (".", ".."))
path = st.lists(name, min_size=1, max_size=3).map("/".join)


def write(file: Path, entries: dict[str, VideoFacts]) -> str:
    file.write_text(index_text(file, entries), encoding="utf-8")
    return str(file)


def seen(file: Path, **changes: object) -> VideoFacts:
    size, modified = stamp(str(file))
    return replace(VideoFacts(9, 25.0, 96, 64, 0, 0.36, "pyav", "", size, modified, ""), **changes)  # type: ignore[arg-type]


@given(entries=st.dictionaries(path, facts, max_size=4), inside=st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(entries: dict[str, VideoFacts], inside: bool, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("index")
    absolute = {f"{folder if inside else '/elsewhere'}/{path}": known for path, known in entries.items()}
    assert read_entries(write(folder / "index.jsonl", absolute)) == absolute


def test_facts_of_a_file_until_it_changes(tmp_path: Path) -> None:
    video, other = tmp_path / "a b.mp4", tmp_path / "other.mp4"
    video.write_bytes(b"12345")
    other.write_bytes(b"1")
    known = seen(video)
    index = VideoIndex.open(write(tmp_path / "index.jsonl", {str(video): known}))
    assert index.facts(str(video)) == known
    assert index.facts(f"{tmp_path}/./a b.mp4") == known
    assert index.facts(str(other)) is None
    os.utime(video, ns=(0, known.modified + 1))
    assert index.facts(str(video)) is None
    os.utime(video, ns=(0, known.modified))
    assert index.facts(str(video)) == known
    video.write_bytes(b"123456")
    os.utime(video, ns=(0, known.modified))
    assert index.facts(str(video)) is None
    video.unlink()
    assert index.facts(str(video)) is None


def test_an_index_moves_with_its_folder_and_relative_paths_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    (before / "a.mp4").write_bytes(b"1")
    known = seen(before / "a.mp4")
    write(before / "index.jsonl", {str(before / "a.mp4"): known})
    shutil.move(before, after)
    monkeypatch.chdir(tmp_path)
    assert VideoIndex.open("after/index.jsonl").facts("after/a.mp4") == known


def test_files_that_are_elsewhere_are_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "index.jsonl", {"/nowhere/a.mp4": seen(Path("/nowhere/a.mp4"), size=5)})
    with pytest.raises(UserError) as error:
        VideoIndex.open(file)
    assert str(error.value) == (
        f"{file}: the files it lists are not there, such as /nowhere/a.mp4; run `paddlevideo prepare index` again"
    )


def test_a_missing_file_that_was_missing_before_is_no_error(tmp_path: Path) -> None:
    known = seen(Path("/nowhere/a.mp4"), decoder="", reason="no such file")
    index = VideoIndex.open(write(tmp_path / "index.jsonl", {"/nowhere/a.mp4": known}))
    assert index.facts("/nowhere/a.mp4") == known


def test_copies_without_their_times_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    videos = [tmp_path / f"{i}.mp4" for i in range(3)]
    for video in videos:
        video.write_bytes(b"1")
    file = write(tmp_path / "index.jsonl", {str(video): seen(video) for video in videos})
    os.utime(videos[1], ns=(0, 5))
    VideoIndex.open(file)
    expected = f"{file}: 1 of 3 files looked at have changed since; run `paddlevideo prepare index` again"
    assert [record.message for record in caplog.records] == [expected]


GOOD = row_of(Path("/data/index.jsonl"), "/data/a.mp4", VideoFacts(1, 25, 2, 2, 0, 1, "", "", 1, 1, ""))
BROKEN = {
    "cut": json.dumps(GOOD)[:30],
    "no object": "[1, 2]",
    "a key too few": json.dumps({key: GOOD[key] for key in GOOD if key != "fps"}),
    "a key too many": json.dumps(GOOD | {"colour": 1}),
    "text for a number": json.dumps(GOOD | {"frames": "12"}),
    "a truth value for a number": json.dumps(GOOD | {"frames": True}),
    "no path": json.dumps(GOOD | {"path": None}),
    "blank": "",
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "index.jsonl"
    file.write_text("\n".join([json.dumps(HEADER), json.dumps(GOOD), line, json.dumps(GOOD)]))
    with pytest.raises(UserError) as error:
        VideoIndex.open(str(file))
    assert str(error.value).startswith(f"{file}:3: a damaged line: {line[:60]!r}; ")


@pytest.mark.parametrize("text", ["", "a.mp4 1\n", '{"paddlevideo_index": 2}\n'])
def test_a_file_that_is_no_index(text: str, tmp_path: Path) -> None:
    file = tmp_path / "index.jsonl"
    file.write_text(text)
    with pytest.raises(UserError, match=r"index.jsonl:1: this is no index of videos"):
        VideoIndex.open(str(file))


def test_a_missing_or_binary_index(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="index of videos cannot be read: No such file"):
        VideoIndex.open(str(tmp_path / "none.jsonl"))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        VideoIndex.open(str(tmp_path / "binary.jsonl"))
