"""Videos in one folder a class, without any list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from paddlevideo.loader.class_names import ClassNames, Names
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataset import ListDataset, OnError, check_pattern, frame_clip, names_of
from paddlevideo.loader.list_columns import Record
from paddlevideo.loader.part import Part
from paddlevideo.registry import DATASETS
from paddlevideo.utils.errors import UserError

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
Content = Literal["auto", "videos", "frames"]


@DATASETS.register
class FolderDataset(ListDataset):
    """All clips below a folder that holds one folder a class, sorted by path.

    Args:
        folder: `folder/CLASS/.../clip.mp4`, or `folder/CLASS/.../clip/img_00001.jpg`. Hidden files are left out.
        labels: file of class names, or the names, whose order gives the ids; by default DATASET.labels. Without them
            the ids are the places of the sorted names.
        content: what the clips are: video files, or folders of images; auto: whichever there are.
        suffix, on_error, part, index: as in FrameDataset and VideoDataset.
    Raises:
        UserError: no folder, no class in it, a class without clips or without a name in the label file, or both videos
            and images while `content` is auto.
        ValueError: `suffix` has no place for a number.
    """

    def __init__(
        self,
        folder: str,
        labels: Names | None = None,
        content: Content = "auto",
        suffix: str | None = None,
        on_error: OnError = "raise",
        part: Part | None = None,
        index: str | None = None,
    ) -> None:
        check_pattern(suffix)
        names = class_folders(folder)
        ids = class_ids(folder, names, names_of(labels))
        found = {name: _found(Path(folder, name)) for name in names}
        self.frames = _has_frames(folder, found, content)
        clips = {name: sorted(images if self.frames else videos) for name, (videos, images) in found.items()}
        for name, paths in clips.items():
            if not paths:
                kind = "folders of frames" if self.frames else f"videos ({' '.join(VIDEO_SUFFIXES)})"
                raise UserError(f"{Path(folder, name)}: this class has no {kind}; add some, or remove its folder")
        records = [Record(path, ids[name], 0, 0) for name, paths in clips.items() for path in paths]
        records = records if part is None else part.of(records)
        if not records:
            raise UserError(f"{folder}: nothing is left for part; at least one class needs two groups of files")
        super().__init__(folder, records, folder, on_error, index)
        self.class_names = names if labels is None else None
        self.suffix = suffix or ""

    def clip(self, i: int) -> Clip:
        record = self.records[i]
        path = os.path.join(self.data_prefix, record.path)  # noqa: PTH118
        return frame_clip(path, record, self.suffix) if self.frames else self._video(path, record)

    def check_labels(self, num_classes: int) -> None:
        """Raises UserError when the folders alone say what the classes are, and there are more or fewer."""
        if self.class_names is not None and len(self.class_names) != num_classes:
            raise UserError(
                f"{self.file_path}: {len(self.class_names)} class folders, but num_classes is {num_classes}; correct "
                "it, or name all classes in DATASET.labels where some have no clips here"
            )
        super().check_labels(num_classes)


def class_folders(folder: str) -> list[str]:
    """The names of the classes, sorted: the folders in `folder` that are not hidden. Raises UserError."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_dir(entry) and not entry.name.startswith("."))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{folder}: the folder of videos cannot be read: {reason}") from None
    if not names:
        raise UserError(f"{folder}: there are no folders in it; put the videos of each class in a folder of its name")
    return names


def class_ids(folder: str, names: list[str], classes: ClassNames | None) -> dict[str, int]:
    """Folder name -> class id."""
    if classes is None:
        return {name: i for i, name in enumerate(names)}
    ids = {name: classes.find(name) for name in names}
    unknown = [name for name in names if ids[name] is None]
    if unknown:
        raise UserError(f"{Path(folder, unknown[0])}: {classes.hint(unknown[0])}{_more(unknown)}")
    first: dict[int | None, str] = {}
    for name, label in ids.items():
        if first.setdefault(label, name) != name:
            raise UserError(f"{Path(folder, name)}: the same class as the folder '{first[label]}'")
    return {name: label for name, label in ids.items() if label is not None}


def _more(names: list[str]) -> str:
    return f" ({len(names)} such folders)" if len(names) > 1 else ""


def _has_frames(folder: str, found: dict[str, tuple[list[str], list[str]]], content: Content) -> bool:
    """Whether the clips are folders of images."""
    videos = sum(len(videos) for videos, _ in found.values())
    images = sum(len(images) for _, images in found.values())
    if content == "auto" and videos and images:
        raise UserError(
            f"{folder}: holds {videos} videos and {images} folders of images; set content: videos or content: frames"
        )
    return content == "frames" or (content == "auto" and images > 0)


def _found(class_folder: Path) -> tuple[list[str], list[str]]:
    """(videos, folders that directly hold images) below a class, relative to the folder of the classes."""
    videos: list[str] = []
    images: list[str] = []
    base = class_folder.parent
    try:
        for path, kind in _walk(class_folder):
            (videos if kind == "video" else images).append(str(path.relative_to(base)))
    except OSError as error:
        raise UserError(f"{error.filename}: the folder cannot be read: {error.strerror}") from None
    return videos, images


def _is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; a link that leads nowhere, such as to itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk(folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[tuple[Path, str]]:
    """Videos, and folders with an image in them, in no order. Links are followed, except in circles."""
    own = folder.resolve()
    if own in seen:
        return
    has_image = False
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - millions of frames; Path is slow
            if entry.name.startswith("."):
                continue
            if suffix in IMAGE_SUFFIXES:
                if not has_image:
                    has_image = True
                    yield folder, "images"
            elif _is_dir(entry):
                yield from _walk(Path(entry.path), seen | {own})
            elif suffix in VIDEO_SUFFIXES:
                yield Path(entry.path), "video"
