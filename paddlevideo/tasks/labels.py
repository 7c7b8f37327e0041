"""The names of a model's classes."""

from __future__ import annotations

from pathlib import Path

from paddlevideo.loader.class_names import HERE, Names, read_names
from paddlevideo.loader.folder_dataset import FolderDataset, class_folders
from paddlevideo.tasks.schema import DatasetSection
from paddlevideo.utils.errors import UserError


def read_labels(labels: Names | None, num_classes: int) -> list[str]:
    """The `num_classes` names in id order; the ids themselves where there are none.

    Raises:
        UserError: see `read_names`, or there is another number of names.
    """
    if labels is None:
        return [str(i) for i in range(num_classes)]
    names = read_names(labels)
    if len(names) != num_classes:
        what = f"no name for class {len(names)}" if len(names) < num_classes else f"{len(names)} names"
        source = labels if isinstance(labels, str) else HERE
        raise UserError(f"{source}: {what}, but the model has {num_classes} classes; correct the file or num_classes")
    return names


def class_names(section: DatasetSection, num_classes: int) -> list[str]:
    """The names in id order: of DATASET.labels, else of the class folders where there are some, else the ids.

    Raises:
        UserError: see `read_labels`; or the class folders of two splits differ, so that their ids would mean different
            classes.
    """
    folders = _class_folders(section) if section.labels is None else {}
    for folder, names in folders.items():
        first, expected = next(iter(folders.items()))
        if names != expected:
            odd = sorted(set(names) ^ set(expected))[0]
            raise UserError(
                f"{folder} and {first} hold folders of different classes ('{odd}' is in one of them only), so an id "
                "would mean two classes; name all classes in a file and give it as DATASET.labels"
            )
    if not folders:
        return read_labels(section.labels, num_classes)
    folder, names = next(iter(folders.items()))
    if len(names) != num_classes:
        raise UserError(f"{folder}: {len(names)} class folders, but the model has {num_classes} classes")
    return names


def _class_folders(section: DatasetSection) -> dict[str, list[str]]:
    """Folder -> its classes, of the splits that have no other names. A model may be used where its data are not."""
    specs = [spec for spec in (section.train, section.valid, section.test) if spec and spec.target is FolderDataset]
    own = [spec.arguments["folder"] for spec in specs if spec.arguments.get("labels") is None]
    return {folder: class_folders(folder) for folder in own if Path(folder).is_dir()}
