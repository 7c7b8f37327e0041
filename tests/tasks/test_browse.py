"""Contact sheets: the pixels are those the model gets, each at its place, under its label."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont
from synthetic import encode, numbered, read_number, write_frames

from paddlevideo.cli import browse
from paddlevideo.loader.batch import normalised
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.tasks import schema
from paddlevideo.tasks.browse import clips, drawing, movie, sheet
from paddlevideo.tasks.browse.clips import Choice, Shown
from paddlevideo.tasks.run import build_loader
from paddlevideo.utils.errors import UserError

CONFIG = """
MODEL:
  framework: Recognizer2D
  backbone: {{name: ConvNet, channels: [8], num_seg: 4}}
  head: {{name: TSMHead, num_classes: 3, in_channels: 8}}
DATASET:
  batch_size: 3
  labels: {folder}/labels.txt
  train: {{format: {format}, file_path: {folder}/a.list, data_prefix: {folder}}}
PIPELINE:
  train:
    decode: {{name: {decoder}}}
    sample: {{name: Sampler, num_seg: 4, select_left: True, valid_mode: True}}
    transform: {transform}
model_name: Small
{more}
"""
COUNT = 16  # frames of each video; the sampler takes the middle of each quarter
TAKEN = [2, 6, 10, 14]
NORMALIZE = "Normalization: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"
ANY = Choice("train", 9, seed=1, epoch=0, label=None, augmented=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos (and folders of frames), 0 to 2: video v shows the numbers from 100 * v on."""
    folder = tmp_path_factory.mktemp("browse")
    for v in range(3):
        frames = numbered(COUNT + 100 * v)[100 * v :]
        encode(folder / f"{v}.mp4", frames)
        write_frames(folder / f"frames{v}", frames, "img_{:05}.png")
    (folder / "labels.txt").write_text("pouring tea\nwaving\nШахматы 下棋\n", encoding="utf-8")
    return folder


@pytest.fixture
def config(videos: Path, tmp_path: Path) -> Callable[..., Path]:
    """A config over the videos: config(transform), with other lines of the list, or frames."""

    def make(transform: str = "[]", more: str = "", lines: str = "0.mp4 0\n1.mp4 1\n2.mp4 2\n") -> Path:
        frames = "frames" in lines
        (videos / "a.list").write_text(lines)
        path = tmp_path / "small.yaml"
        kinds = ("FrameDataset", "FrameDecoder") if frames else ("VideoDataset", "VideoDecoder")
        path.write_text(CONFIG.format(folder=videos, format=kinds[0], decoder=kinds[1], transform=transform, more=more))
        return path

    return make


def shown(path: Path, choice: Choice = ANY) -> list[Shown]:
    """The clips in the order of the data set."""
    return sorted(clips.choose(schema.load(path).root, choice)[0], key=lambda clip: clip.index)


def run(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    browse.add_arguments(parser)
    browse.run(parser.parse_args([str(argument) for argument in arguments]))


LAYOUTS = {
    "as decoded": "[]",
    "tchw": "[{Image2Array: {}}]",
    "cthw": "[{Image2Array: {data_format: cthw}}]",
    "channels last": "[{Image2Array: {transpose: False}}]",
    "tchw, normalised": f"[{{Image2Array: {{}}}}, {{{NORMALIZE}}}]",
    "cthw, normalised": f"[{{{NORMALIZE}}}, {{Image2Array: {{data_format: cthw}}}}]",
    "channels last, normalised": f"[{{Image2Array: {{transpose: False}}}}, {{{NORMALIZE}}}]",
    "normalised before a resize": f"[{{{NORMALIZE}}}, {{Scale: {{short_size: 64, fixed_ratio: False, keep_ratio: True, "
    "backend: cv2}}, {Image2Array: {}}]",
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_pixels_in_every_layout(case: str, config: Callable[..., Path], videos: Path) -> None:
    found = shown(config(LAYOUTS[case]))
    assert [(clip.index, clip.labels, Path(clip.path).name) for clip in found] == [
        (0, (0,), "0.mp4"),
        (1, (1,), "1.mp4"),
        (2, (2,), "2.mp4"),
    ]
    for v, clip in enumerate(found):
        expected = PyavVideo(str(videos / f"{v}.mp4")).read(TAKEN)
        assert clip.frames.shape == (1, 4, 64, 96, 3) and clip.frames.dtype == np.uint8
        np.testing.assert_array_equal(clip.frames[0], expected)


def test_pixels_lie_at_their_place_in_the_sheet(config: Callable[..., Path], videos: Path, tmp_path: Path) -> None:
    run(config(LAYOUTS["cthw, normalised"]), "--out", tmp_path / "sheet.png", "--count", 2, "--class", "waving")
    page = np.asarray(Image.open(tmp_path / "sheet.png"))
    top = sheet.MARGIN + 2 * sheet.LINE  # below the title and the caption
    expected = PyavVideo(str(videos / "1.mp4")).read(TAKEN)
    for t, frame in enumerate(expected):
        left = sheet.MARGIN + t * (96 + sheet.GAP)
        np.testing.assert_array_equal(page[top : top + 64, left : left + 96], frame)
        assert read_number(page[top : top + 64, left : left + 96]) == 100 + TAKEN[t]
    assert (page[top : top + 64, sheet.MARGIN + 96 : sheet.MARGIN + 98] == 255).all()  # white between frames
    assert page.shape == (top + 64 + sheet.BETWEEN, sheet.NARROWEST + 2 * sheet.MARGIN, 3)


def test_rows_follow_one_another(config: Callable[..., Path]) -> None:
    path = config()
    (found, _) = clips.choose(schema.load(path).root, ANY)
    page = np.asarray(sheet.sheet(found, "title", clips.name_with(["a", "b", "c"])))
    for row, clip in enumerate(found):
        top = sheet.MARGIN + 2 * sheet.LINE + row * (sheet.LINE + 64 + sheet.BETWEEN)
        assert read_number(page[top : top + 64, 12 : 12 + 96]) == 100 * clip.index + TAKEN[0]


def test_folders_of_frames(config: Callable[..., Path]) -> None:
    found = shown(config(lines="frames0 16 0\nframes2 16 2\n"))
    assert [[read_number(frame) for frame in clip.frames[0]] for clip in found] == [
        TAKEN,
        [200 + index for index in TAKEN],
    ]


@pytest.mark.parametrize("mix", ["Mixup: {alpha: 1.0}", "Cutmix: {}", "VideoMix: {}"])
@pytest.mark.parametrize("normalize", [True, False])
def test_they_are_the_pixels_of_the_training(mix: str, normalize: bool, config: Callable[..., Path]) -> None:
    """The same clips, augmented alike and mixed with the same partners, as the loader of a training gives."""
    steps = ["RandomCrop: {target_size: 40}", "RandomFlip: {}", "Image2Array: {}", *([NORMALIZE] if normalize else [])]
    path = config("[" + ", ".join(f"{{{step}}}" for step in steps) + "]", f"MIX: {{{mix}}}")
    cfg = schema.load(path).root
    with build_loader(cfg, "train", seed=1) as loader:
        (batch,) = loader.epoch(3)
    imgs = normalised(batch).transpose(0, 1, 3, 4, 2)  # [B, T, H, W, 3]
    if normalize:
        imgs = (imgs * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]) * 255
    found, _ = clips.choose(cfg, Choice("train", 9, seed=1, epoch=3, label=None, augmented=True))
    assert [clip.index for clip in found] == batch["index"].tolist()
    assert [clip.partner for clip in found] == [(label,) for label in batch["label_b"]]
    for clip, expected in zip(found, imgs):
        assert clip.lam == pytest.approx(float(batch["lam"]))
        assert np.abs(clip.frames[0] - expected).max() <= 0.51


def test_epoch_and_seed_choose_the_randomness(config: Callable[..., Path]) -> None:
    path = config("[{RandomCrop: {target_size: 20}}]")
    first = shown(path)
    again, epoch, seed = (
        shown(path, Choice("train", 9, seed=s, epoch=e, label=None, augmented=True))
        for s, e in ((1, 0), (1, 1), (2, 0))
    )
    same = [[bool((a.frames == b.frames).all()) for a, b in zip(first, other)] for other in (again, epoch, seed)]
    assert same[0] == [True] * 3 and not all(same[1]) and not all(same[2])


def test_unaugmented(config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config("[{RandomCrop: {target_size: 20}}, {Image2Array: {data_format: cthw}}]", "MIX: {Mixup: {}}")
    plain = Choice("train", 9, seed=1, epoch=0, label=None, augmented=False)
    for clip in shown(path, plain):
        assert clip.partner is None
        assert [read_number(frame) for frame in clip.frames[0]] == [100 * clip.index + index for index in TAKEN]
    monkeypatch.chdir(tmp_path)
    run(path, "--unaugmented")
    assert Image.open("sheet.png").size == (sheet.NARROWEST + 24, 12 + 22 + 3 * (22 + 64 + 14))


def test_views_are_rows(config: Callable[..., Path], videos: Path) -> None:
    (clip, *_) = shown(config("[{TenCrop: {target_size: 32}}]"))
    assert clip.frames.shape == (10, 4, 32, 32, 3)
    whole = PyavVideo(str(videos / "0.mp4")).read(TAKEN)
    np.testing.assert_array_equal(clip.frames[0], whole[:, :32, :32])
    np.testing.assert_array_equal(clip.frames[5], whole[:, 32:, :32][:, :, ::-1])
    assert sheet.size_of(clip) == "4 frames of 32x32, 10 views, a row each"
    picture = sheet.sheet([clip], "title", clips.name_with(["a"]))
    side = 32 * round(drawing.THUMBNAIL / 32)
    assert picture.height == 12 + 22 + 22 + 10 * (side + 2) - 2 + 14


def test_only_a_class(config: Callable[..., Path]) -> None:
    path = config(lines="0.mp4 0\n1.mp4 1\n2.mp4 0\n")
    only = Choice("train", 9, seed=1, epoch=0, label=0, augmented=True)
    assert [clip.index for clip in shown(path, only)] == [0, 2]
    with pytest.raises(UserError, match=r"a.list: no clip of class 2; see --class"):
        shown(path, Choice("train", 9, seed=1, epoch=0, label=2, augmented=True))


@pytest.mark.parametrize(("wanted", "expected"), [("1", 1), ("waving", 1), ("Pouring_Tea", 0), ("2", 2)])
def test_classes_by_id_or_name(wanted: str, expected: int) -> None:
    assert clips.find_class(wanted, ["pouring tea", "waving", "2nd"]) == expected


def test_a_class_that_is_not_there() -> None:
    with pytest.raises(UserError) as caught:
        clips.find_class("wavign", ["pouring tea", "waving"])
    assert str(caught.value) == "--class wavign: 'wavign' is no class of the config; did you mean 'waving'?"


def test_unreadable_files_are_told_and_the_others_shown(
    config: Callable[..., Path], videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(lines="0.mp4 0\nnone.mp4 1\n2.mp4 2\n")
    run(path, "--out", tmp_path / "new" / "sheet.png")
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/new/sheet.png: 2 clips, 744x234 pixels\n"
    assert said.err == f"unreadable: {videos}/none.mp4: no such file ({videos}/a.list:2)\n"
    with pytest.raises(UserError) as caught:
        shown(config(lines="none.mp4 1\n"))
    assert str(caught.value) == f"{videos}/a.list: nothing to show: {videos}/none.mp4: no such file ({videos}/a.list:1)"


def test_a_split_that_is_missing(config: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"DATASET\.valid is missing from the config; --split names another one"):
        run(config(), "--split", "valid")


# --- captions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines that are drawn, as they are drawn."""
    lines: list[str] = []
    draw = sheet.ImageDraw.ImageDraw.text

    def text(self: object, place: object, line: str, **other: object) -> None:
        lines.append(line)
        draw(self, place, line, **other)  # type: ignore[arg-type]

    monkeypatch.setattr(sheet.ImageDraw.ImageDraw, "text", text)
    yield lines


def a_clip(path: str = "a.mp4", labels: tuple[int, ...] = (0,), **other: object) -> Shown:
    frames = np.zeros((1, 4, 64, 96, 3), np.uint8)
    return Shown(**{"frames": frames, "labels": labels, "partner": None, "lam": 1.0, "index": 7, "path": path, **other})  # type: ignore[arg-type]


NAMED = clips.name_with(["pouring tea", "waving", "Шахматы 下棋"])


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        (a_clip(), ["pouring tea", "#7  a.mp4"]),
        (a_clip(labels=(1,), partner=(0,), lam=0.625), ["0.62 waving + 0.38 pouring tea", "#7  a.mp4"]),
        (a_clip(labels=(0, 1)), ["pouring tea, waving", "#7  a.mp4"]),
        (a_clip(labels=()), ["no class", "#7  a.mp4"]),
        (a_clip(labels=(9,)), ["9", "#7  a.mp4"]),
        (a_clip("Чай\n茶.mp4", labels=(2,)), ["Шахматы 下棋", "#7  Чай 茶.mp4"]),
    ],
)
def test_captions(clip: Shown, expected: list[str], written: list[str]) -> None:
    page = np.asarray(sheet.sheet([clip], "title", NAMED))
    assert written == ["title; 4 frames of 96x64", *expected]
    caption = page[sheet.MARGIN + sheet.LINE : sheet.MARGIN + 2 * sheet.LINE]
    assert (caption < 128).any(axis=2).sum() > 50  # there is ink


def test_long_names_are_cut_in_the_middle_and_overlap_nothing(written: list[str]) -> None:
    long = "one/folder/" + 40 * "very long " + "end.mp4"
    page = np.asarray(sheet.sheet([a_clip(long)], "title", clips.name_with([40 * "name " + "end"])))
    _, name, path = written
    assert name.startswith("name name") and name.endswith("name end") and "..." in name
    assert path.startswith("#7  one/folder/") and path.endswith("long end.mp4") and "..." in path
    assert (page[:, -sheet.MARGIN :] == 255).all()  # the margin is free


def test_without_a_scalable_font(monkeypatch: pytest.MonkeyPatch, written: list[str]) -> None:
    monkeypatch.setattr(drawing, "font", lambda size, plain: ImageFont.load_default_imagefont())
    sheet.sheet([a_clip(labels=(2,))], "title", NAMED)
    assert written[1] == "??????? ??"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=120), st.floats(20, 600))
def test_shortened_text_fits_and_is_as_long_as_can_be(text: str, width: float) -> None:
    of = drawing.font(14, True)
    line = drawing.shorten(text, width, of)
    if line != text:
        assert of.getlength(text) > width
        assert of.getlength(line) <= width and text.startswith(line.split("...")[0])
        kept = len(line) - 3
        assert of.getlength(drawing.cut(text, kept + 1)) > width


@pytest.mark.parametrize(
    ("total", "most", "expected"), [(1, 16, [0]), (4, 16, [0, 1, 2, 3]), (10, 4, [0, 3, 6, 9]), (25, 3, [0, 12, 24])]
)
def test_frames_that_are_picked(total: int, most: int, expected: list[int]) -> None:
    assert drawing.spread(total, most) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [((224, 224), (112, 112)), ((32, 32), (128, 128)), ((64, 96), (96, 64)), ((256, 340), (114, 86))],
)
def test_thumbnails_are_of_a_sensible_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 77, np.uint8)
    picture = drawing.thumbnail(frame)
    assert picture.size == expected and (np.asarray(picture) == 77).all()


def test_a_thumbnail_is_the_mean_of_blocks() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    blocks = frame.reshape(112, 2, 112, 2, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(drawing.thumbnail(frame)) - blocks).max() <= 0.51


# --- mp4 --------------------------------------------------------------------------------------------------------------


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].average_rate == movie.RATE
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_movie_shows_every_frame_of_every_clip(config: Callable[..., Path], tmp_path: Path) -> None:
    path = config(LAYOUTS["cthw, normalised"])
    run(path, "--out", tmp_path / "a.png", "--mp4", tmp_path / "a.mp4", "--seed", 1)
    order = [clip.index for clip in clips.choose(schema.load(path).root, ANY)[0]]
    frames = decoded(tmp_path / "a.mp4")
    factor, top = round(movie.SIDE / 96), 2 * sheet.LINE
    assert frames[0].shape == (top + 64 * factor, 96 * factor, 3)
    small = [frame[top:].reshape(64, factor, 96, factor, 3).mean(axis=(1, 3)) for frame in frames]
    assert [read_number(frame) for frame in small] == [100 * index + number for index in order for number in TAKEN]


def test_odd_sizes_and_views_in_a_movie(config: Callable[..., Path], tmp_path: Path) -> None:
    path = config("[{CenterCrop: {target_size: 37}}]", lines="0.mp4 0\n")
    run(path, "--out", tmp_path / "a.png", "--mp4", tmp_path / "a.mp4")
    assert len(decoded(tmp_path / "a.mp4")) == 4
    path = config("[{TenCrop: {target_size: 32}}]", lines="0.mp4 0\n")
    run(path, "--out", tmp_path / "a.png", "--mp4", tmp_path / "a.mp4")
    frames = decoded(tmp_path / "a.mp4")
    assert len(frames) == 4 and frames[0].shape[1] == 10 * (128 + sheet.GAP) - sheet.GAP


def test_a_movie_that_cannot_be_written_leaves_nothing(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*unused: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(movie, "_captions", fail)
    with pytest.raises(UserError, match=r"a\.mp4: cannot be written \(No space left on device\); nothing was changed"):
        run(config(), "--out", tmp_path / "a.png", "--mp4", tmp_path / "a.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "small.yaml"]
