"""Class folders, parts and lists of names in whole runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddlevideo.loader.folder_dataset import FolderDataset
from paddlevideo.loader.index import VideoFacts, index_text, stamp
from paddlevideo.tasks import results, run, schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.tasks.test import ResultOptions
from paddlevideo.utils.errors import UserError


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """The clips of the tiny data set in a folder for each of their 8 classes."""
    names = [line.split(maxsplit=1)[1] for line in (data / "labels.txt").read_text().splitlines()]
    for name in ("train", "valid"):
        for line in (data / f"{name}.list").read_text().splitlines():
            path, label = line.rsplit(maxsplit=1)
            place = tmp_path / "clips" / names[int(label)] / f"{name}_{Path(path).name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(data / path)
    return tmp_path / "clips"


def test_training_on_two_parts_of_class_folders(folder: Path, tiny: Path, data: Path, tmp_path: Path) -> None:
    part = "{name: %s, share: 0.3, seed: 1}"
    splits = [
        f"DATASET.{split}={{format: FolderDataset, folder: {folder}, part: {part % name}}}"
        for split, name in (("train", "train"), ("valid", "valid"), ("test", "valid"))
    ]
    resolved = schema.load(tiny, [*splits, "epochs=1", "DATASET.labels=null", "DATASET.num_workers=1"])
    paths = {}
    for split in ("train", "valid"):
        with run.build_loader(resolved.root, split, 0) as loader:  # type: ignore[arg-type]
            assert isinstance(loader.dataset, FolderDataset)
            paths[split] = {record.path for record in loader.dataset.records}
    assert not paths["train"] & paths["valid"] and len(paths["train"] | paths["valid"]) == 32
    train.train(resolved, TrainOptions(validate=True))
    out = tmp_path / "scores.json"
    testing.test(resolved, str(tmp_path / "output/Tiny_best.pdparams"), options=ResultOptions(out=out))
    read = results.read(out)
    assert read.about.classes == sorted(path.name for path in folder.iterdir())
    assert [read.about.classes[label] for label in read.labels] == [Path(file).parent.name for file in read.files]


def test_a_table_of_names_is_the_list_of_ids(tiny: Path, data: Path, tmp_path: Path) -> None:
    names = [line.split(maxsplit=1)[1] for line in (data / "labels.txt").read_text().splitlines()]
    rows = [line.rsplit(maxsplit=1) for line in (data / "valid.list").read_text().splitlines()]
    table = tmp_path / "valid.jsonl"
    table.write_text("".join(json.dumps({"video": path, "class": names[int(label)]}) + "\n" for path, label in rows))
    with run.build_loader(schema.load(tiny, [f"DATASET.valid.file_path={table}"]).root, "valid", 0) as loader:
        assert [str(record.label) for record in loader.dataset.records] == [label for _, label in rows]
    overrides = [f"DATASET.valid.file_path={table}", "DATASET.labels=null"]
    with pytest.raises(
        UserError, match=r"valid.jsonl:1: .* is no class id, and names need a file of them: DATASET.lab"
    ):
        run.build_loader(schema.load(tiny, overrides).root, "valid", 0)


def test_videos_need_their_decoder(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "videos.list").write_text("x.mp4 0\n")
    override = f"DATASET.valid={{format: VideoDataset, file_path: {tmp_path}/videos.list}}"
    frames = "PIPELINE.valid.decode={name: FrameDecoder}"
    with pytest.raises(UserError, match=r"DATASET.valid is of videos, but PIPELINE.valid.decode is FrameDecoder; set"):
        run.build_loader(schema.load(tiny, [override, frames]).root, "valid", 0)


def test_folders_of_frames_need_their_decoder(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "frames.list").write_text("x 3 0\n")
    override = f"DATASET.valid={{format: FrameDataset, file_path: {tmp_path}/frames.list}}"
    with pytest.raises(UserError, match=r"DATASET.valid is of folders of frames, but PIPELINE.valid.decode is V"):
        run.build_loader(schema.load(tiny, [override]).root, "valid", 0)


def test_what_an_index_knows_goes_with_the_clip(tiny: Path, folder: Path, data: Path, tmp_path: Path) -> None:
    rows = [line.rsplit(maxsplit=1)[0] for line in (data / "valid.list").read_text().splitlines()]
    size, modified = stamp(str(data / rows[1]))
    facts = VideoFacts(8, 8.0, 32, 32, 0, 1.0, "pyav", "", size, modified, "")
    index = tmp_path / "index.jsonl"
    in_folder = next(path for path in sorted(folder.rglob("*.mp4")) if path.resolve() == (data / rows[1]).resolve())
    index.write_text(index_text(index, {str(data / rows[1]): facts, str(in_folder): facts}))
    root = schema.load(tiny, [f"DATASET.valid.index={index}"]).root
    with run.build_loader(root, "valid", 0) as loader:
        assert [loader.dataset.clip(i).facts for i in range(3)] == [None, facts, None]
    clips = FolderDataset(str(folder), index=str(index))
    known = [clip.path for clip in map(clips.clip, range(len(clips))) if clip.facts is not None]
    assert known == [str(in_folder)]
