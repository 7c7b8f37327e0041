"""Class folders without a list, and parts of a list or a folder that never overlap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic import encode, numbered, write_frames

from paddlevideo import config, yaml_tree
from paddlevideo.loader.dataset import VideoDataset
from paddlevideo.loader.folder_dataset import FolderDataset
from paddlevideo.loader.part import Part
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.schema import DatasetSection
from paddlevideo.utils.errors import UserError

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Makes empty files below tmp_path/clips and returns the folder."""

    def make(*files: str) -> Path:
        for file in files:
            (tmp_path / "clips" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / file).touch()
        return tmp_path / "clips"

    return make


def found(data: FolderDataset, folder: Path) -> list[tuple[str, object]]:
    clips = [data.clip(i) for i in range(len(data))]
    return [(str(Path(clip.path).relative_to(folder)), clip.label) for clip in clips]


def test_videos_of_class_folders(tree: Tree) -> None:
    """Deeper folders and capital suffixes count; other files, hidden ones, and loose files do not."""
    files = ["b c/2.mp4", "b c/deep/er/1.AVI", "a/x.webm", "a/notes.txt", "a/.y.mp4", ".git/z.mp4", "loose.mp4"]
    folder = tree(*files)
    (folder / "b c/x.mp4").mkdir()  # a folder with the name of a video
    data = FolderDataset(str(folder))
    assert found(data, folder) == [("a/x.webm", 0), ("b c/2.mp4", 1), ("b c/deep/er/1.AVI", 1)]
    assert data.class_names == ["a", "b c"] and data.where(1) == str(folder)
    assert data.clip(0).frame_pattern == ""


def test_folders_of_frames(tree: Tree, tmp_path: Path) -> None:
    folder = tree("a/clip 1/img_00001.jpg", "a/clip 1/img_00002.jpg", "a/v.mp4/00001.PNG", "b/00001.jpg", "b/c/0.jpeg")
    data = FolderDataset(str(folder), suffix="img_{:05}.jpg")
    assert found(data, folder) == [("a/clip 1", 0), ("a/v.mp4", 0), ("b", 1), ("b/c", 1)]
    clip = data.clip(0)
    assert (clip.num_frames, clip.frame_pattern, data.frames) == (0, "img_{:05}.jpg", True)


def test_links_are_followed_but_not_in_circles(tree: Tree, tmp_path: Path) -> None:
    folder = tree("a/x.mp4")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/y.mp4").touch()
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "a/again").symlink_to(folder / "a")
    (folder / "a/gone.mp4").symlink_to(tmp_path / "gone.mp4")
    data = FolderDataset(str(folder))
    assert found(data, folder) == [("a/gone.mp4", 0), ("a/x.mp4", 0), ("b/y.mp4", 1)], "a broken link is no silence"


def test_links_that_lead_nowhere_are_unreadable_videos(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for link in (tmp_path / "loop", tmp_path / "a" / "loop.mp4", tmp_path / "a" / "loop.txt"):
        link.symlink_to(link)
    dataset = FolderDataset(str(tmp_path))
    assert [record.path for record in dataset.records] == ["a/loop.mp4"]
    with pytest.raises(Unreadable, match="Too many levels of symbolic links"):
        VideoDecoder()(dataset.clip(0), np.random.default_rng(0))


def test_the_label_file_gives_the_ids(tree: Tree, tmp_path: Path) -> None:
    folder = tree("pouring_tea/x.mp4", "Waving/y.mp4")
    (tmp_path / "labels.txt").write_text("waving\nbowing\npouring tea\n")
    data = FolderDataset(str(folder), labels=str(tmp_path / "labels.txt"))
    assert found(data, folder) == [("Waving/y.mp4", 0), ("pouring_tea/x.mp4", 2)]
    data.check_labels(3)
    tree("waiving/z.mp4")
    with pytest.raises(UserError, match=r"clips/waiving: 'waiving' is no class of .*labels.txt; did you mean 'waving'"):
        FolderDataset(str(folder), labels=str(tmp_path / "labels.txt"))


def test_what_is_wrong_is_named(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: the folder of videos cannot be read: No such file"):
        FolderDataset(str(tmp_path / "nowhere"))
    folder = tree("x.mp4")
    with pytest.raises(UserError, match=r"clips: there are no folders in it; put the videos of each class in a folder"):
        FolderDataset(str(folder))
    tree("a/x.mp4", "empty/readme.txt")
    with pytest.raises(UserError, match=r"clips/empty: this class has no videos \(.avi .*; add some, or remove"):
        FolderDataset(str(folder))
    tree("empty/x/1.jpg")
    with pytest.raises(UserError, match=r"clips: holds 1 videos and 1 folders of images; set content: videos or"):
        FolderDataset(str(folder))
    with pytest.raises(UserError, match=r"clips/a: this class has no folders of frames"):
        FolderDataset(str(folder), content="frames")
    with pytest.raises(ValueError, match="place of its number"):
        FolderDataset(str(folder), suffix="img.jpg")


def test_another_number_of_classes(tree: Tree) -> None:
    data = FolderDataset(str(tree("a/x.mp4", "b/y.mp4")))
    data.check_labels(2)
    with pytest.raises(UserError, match=r"2 class folders, but num_classes is 3; correct it, or name all classes"):
        data.check_labels(3)


def section(text: str) -> DatasetSection:
    return config.resolve(yaml_tree.parse(text, "test.yaml"), DatasetSection).root


def test_names_and_ids_of_two_splits(tree: Tree, tmp_path: Path) -> None:
    root = tree("train/a/x.mp4", "train/b/y.mp4", "valid/a/x.mp4", "valid/c/y.mp4")
    lines = [f"{split}: {{format: FolderDataset, folder: {root}/{split}}}" for split in ("train", "valid")]
    assert class_names(section(lines[0]), 2) == ["a", "b"]
    with pytest.raises(UserError, match=r"valid and .*train hold folders of different classes \('b' is in one of them"):
        class_names(section("\n".join(lines)), 2)
    with pytest.raises(UserError, match=r"train: 2 class folders, but the model has 3 classes"):
        class_names(section(lines[0]), 3)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    both = section("\n".join([*lines, f"labels: {tmp_path}/labels.txt"]))
    assert class_names(both, 3) == ["a", "b", "c"]
    assert both.valid is not None
    assert [record.label for record in both.valid.build().records] == [0, 2]
    assert class_names(section("train: {format: FolderDataset, folder: /not/here}"), 2) == ["0", "1"]


def test_parts_of_a_folder_share_no_group(tree: Tree) -> None:
    files = [f"{name}/v_{name}_g{g:02}_c{c:02}.avi" for name in ("a", "b") for g in range(1, 11) for c in (1, 2, 3)]
    folder = tree(*files)
    parts = {name: FolderDataset(str(folder), part=Part(name, share=0.3, seed=4)) for name in ("train", "valid")}
    paths = {name: [path for path, _ in found(data, folder)] for name, data in parts.items()}
    assert sorted(paths["train"] + paths["valid"]) == sorted(files)
    groups = {name: {path[:-8] for path in listed} for name, listed in paths.items()}
    assert not groups["train"] & groups["valid"] and len(groups["valid"]) == 6
    assert [record.label for record in parts["valid"].records] == [0] * 9 + [1] * 9
    other = FolderDataset(str(folder), part=Part("valid", share=0.3, seed=5))
    assert found(other, folder) != found(parts["valid"], folder)


def test_parts_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "all.list").write_text("".join(f"scene{i // 4}/{i}.mp4 {i // 20}\n" for i in range(40)))
    arguments = {"share": 0.25, "group": r"scene\d+"}
    train, valid = (
        VideoDataset(str(tmp_path / "all.list"), part=Part(name, **arguments))  # type: ignore[arg-type]
        for name in ("train", "valid")
    )
    assert len(valid) == 8 and len(train) == 32, "a quarter of five scenes a class is one of them"
    scenes = [{record.path.split("/")[0] for record in data.records} for data in (train, valid)]
    assert not scenes[0] & scenes[1] and len(scenes[1]) == 2
    assert [record.line for record in valid.records] == sorted(record.line for record in valid.records)
    assert valid.where(0) == f"{tmp_path}/all.list:{valid.records[0].line}"


def test_a_part_in_a_config(tmp_path: Path) -> None:
    (tmp_path / "all.list").write_text("a.mp4 0\nb.mp4 0\nc.mp4 0\n")
    text = (
        f"valid: {{format: VideoDataset, file_path: {tmp_path}/all.list, part: {{name: valid, share: %s, group: %s}}}}"
    )
    spec = section(text % (0.5, "null")).valid
    assert spec is not None and len(spec.build()) in (1, 2)
    for share, group, said in ((1.5, "null", "share must lie between 0 and 1"), (0.5, "'('", "no regular expression")):
        spec = section(text % (share, group)).valid
        assert spec is not None
        with pytest.raises(config.ConfigError, match=said):
            spec.build()
    (tmp_path / "all.list").write_text("a.mp4 0\n")
    with pytest.raises(UserError, match="nothing is left for part: valid; at least one class needs two groups"):
        spec = section(text % (0.5, "null")).valid
        assert spec is not None
        spec.build()


def test_clips_of_a_folder_decode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    encode(tmp_path / "a/x.mp4", numbered(6))
    clip = VideoDecoder()(FolderDataset(str(tmp_path)).clip(0), np.random.default_rng(0))
    assert clip.num_frames == 6
    write_frames(tmp_path / "frames/b/y", numbered(3))
    assert FolderDataset(str(tmp_path / "frames")).clip(0).path == str(tmp_path / "frames/b/y")
