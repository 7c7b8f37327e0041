"""Something-Something V1 and V2: clips with ids, whose classes are sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from paddlevideo.tasks.prepare import annotations as files
from paddlevideo.tasks.prepare.annotations import Annotations, Entry
from paddlevideo.tasks.prepare.find import Naming
from paddlevideo.tasks.prepare.lists import DataSet, Lists
from paddlevideo.utils.errors import UserError

NAME = r"(something-something-v\d-)?{}\.{}"
NAMES = {"train": "train", "val": "validation", "test": "test"}  # list -> word in the name of its file
COUNTS = {"v1": (86017, 11522), "v2": (168913, 24777)}  # clips to train with and to validate
VIDEOS = Lists({"train": "train.list", "val": "val.list", "test": "test.list"}, "")
FRAMES = Lists({"train": "train_frames.list", "val": "val_frames.list", "test": "test_frames.list"}, "{:05}.jpg")
V1 = DataSet("Something-Something V1", 174, {"frames": FRAMES}, Naming())
V2 = DataSet("Something-Something V2", 174, {"videos": VIDEOS, "frames": FRAMES}, Naming())


def read_v1(folder: Path, order: Literal["csv", "sorted"] = "csv") -> Annotations:
    """The annotations of V1 in `folder`.

    Args:
        order: of the class ids: that of the lines of labels.csv (mmaction2, and the flip maps of the configs), or the
            alphabet's (mit-han-lab TSM).
    Raises:
        UserError: with file and line.
    """
    labels: list[str] = []
    for source, line in files.lines_of(locate(folder, "labels", "csv")):
        if line in labels:
            raise UserError(f"{source}: the class '{line}' is there twice")
        labels.append(line)
    found = Annotations(sorted(labels) if order == "sorted" else labels, lists={"train": {}, "val": {}})
    ids = {label: i for i, label in enumerate(found.labels)}
    for name in ("train", "val"):
        for source, clip, label in pairs(locate(folder, NAMES[name], "csv")):
            add(found, name, source, clip, label, ids)
    return with_notes(found, "v1")


def read_v2(folder: Path) -> Annotations:
    """The annotations of V2 in `folder`, with the test set where its answers are. Raises UserError: file and line."""
    path = locate(folder, "labels", "json")
    names = classes(path)
    found = Annotations(names, lists={"train": {}, "val": {}})
    ids = {label: i for i, label in enumerate(names)}
    for name in ("train", "val"):
        for source, item in files.json_list(locate(folder, NAMES[name], "json")):
            texts = [item.get(key) for key in ("id", "template")]
            if not all(isinstance(text, (str, int)) for text in texts):
                raise UserError(f"{source}: expected an object with 'id' and 'template', got {sorted(item)}")
            label = str(texts[1]).replace("[", "").replace("]", "")
            add(found, name, source, str(texts[0]), label, ids)
    answers = files.search(folder, NAME.format("test-answers", "csv"), "test-answers.csv")
    for source, clip, label in pairs(answers) if answers else ():
        add(found, "test", source, clip, label, ids)
    if not answers:
        found.notes.append("  there is no test-answers.csv, so no list of the test set")
    return with_notes(found, "v2")


def locate(folder: Path, word: str, suffix: str) -> Path:
    """`something-something-vN-train.json` or `train.json`, for the word "train"."""
    return files.locate(folder, NAME.format(word, suffix), f"something-something-...-{word}.{suffix}")


def pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    """(file:line, clip, label) of lines `id;label`. Labels hold commas, but no semicolon."""
    for source, line in files.lines_of(path):
        clip, mark, label = line.partition(";")
        if not mark or not clip.strip() or not label.strip():
            raise UserError(f"{source}: '{line}'; expected 'id;label'")
        yield source, clip.strip(), label.strip()


def classes(path: Path) -> list[str]:
    """The classes of labels.json, a sentence -> its id, which is text, in the order of the ids."""
    of_id: dict[int, str] = {}
    for label, number in files.json_pairs(path):
        text = str(number)
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) in of_id:
            raise UserError(f"{path}: '{label}' has the id {text[:20]!r}; expected numbers from 0, each once")
        if not label.strip() or len(label.splitlines()) > 1:
            raise UserError(f"{path}: {label!r} is no name of a class")
        of_id[int(text)] = label
    if sorted(of_id) != list(range(len(of_id))) or not of_id:
        raise UserError(f"{path}: the {len(of_id)} ids are not the numbers from 0 to {len(of_id) - 1}")
    return [of_id[i] for i in range(len(of_id))]


def add(found: Annotations, name: str, source: str, clip: str, label: str, ids: dict[str, int]) -> None:
    """One clip."""
    if label not in ids:
        raise UserError(f"{source}: clip {clip} has the label '{label}', which is none of the {len(ids)} classes")
    if "/" in clip:
        raise UserError(f"{source}: '{clip}' is no id")
    found.add(name, Entry(clip, clip, ids[label], source))


def with_notes(found: Annotations, version: str) -> Annotations:
    """Adds how the counts compare with the published ones, what lists share, and which classes mirror which."""
    counts, published = (len(found.lists["train"]), len(found.lists["val"])), COUNTS[version]
    whose = "as published" if counts == published else f"published are {published[0]:,} and {published[1]:,}"
    found.notes.append(f"  {counts[0]:,} clips to train with and {counts[1]:,} to validate; {whose}")
    found.notes += [*found.shared("train", "val"), *found.shared("train", "test")]
    mirrored = mirror_images(found.labels)
    found.notes += [f"  flip_label_map of these ids, for RandomFlip: {mirrored}"] if mirrored else []
    return found


def mirror_images(labels: list[str]) -> dict[int, int]:
    """Class -> the class it becomes in a mirror: that with left and right exchanged in its sentence."""
    ids = {label.lower(): i for i, label in enumerate(labels)}
    exchange = {"left": "right", "right": "left"}
    images = (re.sub(r"\b(left|right)\b", lambda word: exchange[word[0]], label) for label in ids)
    return {i: ids[image] for i, image in enumerate(images) if ids.get(image, i) != i}
