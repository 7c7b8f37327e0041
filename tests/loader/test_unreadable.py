"""What is said of files that are no video, or no longer one; and what is not to be taken for one of those."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from broken import WAYS
from synthetic import encode, numbered

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.sources.unreadable import Unreadable, open_video, reading, require_file
from paddlevideo.utils.errors import UserError


@pytest.mark.parametrize("backend", ["pyav", "cv2", "decord"])
@pytest.mark.parametrize("way", WAYS)
def test_ten_ways_of_being_broken(way: str, backend: str, tmp_path: Path) -> None:
    if backend == "decord":
        pytest.importorskip("decord")
    path = tmp_path / "clip.mp4"
    spoil, reason = WAYS[way]
    spoil(encode(path, numbered(8)))
    with pytest.raises(Unreadable) as caught:
        clip = VideoDecoder(backend=backend)(Clip(str(path)), np.random.default_rng(0))  # type: ignore[arg-type]
        assert clip.source is not None
        clip.source.read(range(8))
    assert caught.value.path == str(path)
    assert re.search(reason, caught.value.reason)
    assert "\n" not in caught.value.reason and not re.search(r"\d\d:\d\d:\d\d|\.cc", caught.value.reason)


def no_folder(path: Path) -> None:
    path.mkdir()


def plugged(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_folder, "this is a folder, not a video; folders of frames are read by FrameDecoder"),
        (os.mkfifo, "this is a named pipe, not a video"),
        (plugged, "this is a socket, not a video"),
        (lambda path: path.symlink_to("/dev/zero"), "this is a device, not a video"),
        (lambda path: path.symlink_to(path.with_name("gone")), "this is a link to a file that is not there"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (Path.touch, "the file is empty"),
        (lambda path: None, "no such file"),
    ],
)
def test_what_is_not_a_file_is_never_opened(
    make: Callable[[Path], object], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    make(Path("a.mp4"))
    with pytest.raises(Unreadable) as caught:
        require_file("a.mp4")
    assert caught.value.reason == reason


@pytest.mark.parametrize("path", ["a.mp4/b.mp4", "x" * 300, "a\0b"])
def test_names_that_cannot_be(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").touch()
    with pytest.raises(Unreadable):
        require_file(path)


@pytest.mark.parametrize("error", [TypeError("x"), AssertionError("x"), KeyError("x"), UserError("x"), MemoryError()])
def test_faults_of_the_program_are_not_those_of_a_video(error: Exception) -> None:
    with pytest.raises(type(error)), reading("a.mp4"):
        raise error


def test_the_way_to_an_unreadable_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0" * 100)
    path = str(tmp_path / "a.mp4")
    with pytest.raises(Unreadable, match="this is not a video, or its beginning") as caught:
        open_video(path)
    assert isinstance(caught.value.__cause__, av.FFmpegError)
