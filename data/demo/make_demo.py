"""Makes the demo data set "moving shapes": H.264 clips whose classes only the direction of time tells apart.

    python data/demo/make_demo.py                                       # 800 clips in data/demo/videos
    python data/demo/make_demo.py --sheet docs/images/demo_classes.png  # a picture of the classes instead

One shape moves over a still background. Classes come in pairs (moving right / moving left, ...): a motion is drawn at
random and played forward for one class, backward for the other. So a frame, or a set of frames without its order, is
as likely in either class of a pair, and a model that does not look at time (TSN) can only guess between the two.

The folder gets train/*.mp4, valid/*.mp4, the lists train.list and valid.list (`path label`, paths relative to the
folder), labels.txt (`id name`) and settings.json.
"""

from __future__ import annotations

import argparse
import colorsys
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

# A moving shape has a state [x, y, log radius, angle]; pair i changes number i of it. The y axis points down, so a
# growing angle turns clockwise on the screen.
PAIRS = [
    ("moving right", "moving left"),
    ("moving down", "moving up"),
    ("growing", "shrinking"),
    ("turning clockwise", "turning anticlockwise"),
]
LABELS = [name for pair in PAIRS for name in pair]
TURNING = 3
# The change over a clip is drawn between these: frame widths, frame widths, log of the growth, radians. Less than a
# full turn: of 8 frames, neighbours then differ by less than 45 degrees.
LEAST_CHANGE = np.array([0.4, 0.4, np.log(2.0), 0.9 * np.pi])
MOST_CHANGE = np.array([0.65, 0.65, np.log(3.2), 1.6 * np.pi])
# Multiples of 8, the segments of the demo configs: a sampler that drops the remainder would show the start of a motion
# more often than its end, and so give the direction away.
LENGTHS = (16, 24, 32)
SPLITS = ("train", "valid")
VERSION = 1  # of the pictures; part of settings.json, so that raising it has old folders made anew


def regular(corners: int, inner: float = 1.0) -> np.ndarray:
    """A regular polygon of radius 1, or a star whose every second corner is at radius `inner`: [corners, 2]."""
    angles = np.arange(corners) * 2 * np.pi / corners
    radii = np.where(np.arange(corners) % 2, inner, 1.0)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


# Outlines [corners, 2] of radius about 1. No turn maps a lopsided one onto itself, so it shows which way it turns.
LOPSIDED = [
    np.array([(-0.7, -1), (-0.1, -1), (-0.1, 0.4), (0.8, 0.4), (0.8, 1), (-0.7, 1)]),  # hook
    np.array([(1, 0), (0, 0.9), (0, 0.35), (-1, 0.35), (-1, -0.35), (0, -0.35), (0, -0.9)]),  # arrow
    np.array([(-0.3, 1), (-0.3, -1), (0.9, -0.5), (0.1, -0.1), (0.1, 1)]),  # flag
]
BAR = np.array([(-1, -0.3), (1, -0.3), (1, 0.3), (-1, 0.3)])
OUTLINES = [*LOPSIDED, BAR, regular(32), regular(4), regular(3), regular(10, inner=0.45), regular(8, inner=0.4)]


def colour(rng: np.random.Generator, dark: bool) -> np.ndarray:
    """A random RGB colour, float 0..255, dark or bright: the two kinds never come near each other."""
    saturation = rng.uniform(0.2, 0.7)
    value = rng.uniform(0.1, 0.35) if dark else rng.uniform(0.8, 1.0)
    return 255 * np.array(colorsys.hsv_to_rgb(rng.uniform(), saturation, value))


def background(rng: np.random.Generator, size: int, dark: bool) -> np.ndarray:
    """[size, size, 3] uint8 RGB: plain or a gradient in any direction, with a little still grain."""
    first = colour(rng, dark)
    last = colour(rng, dark) if rng.random() < 0.5 else first
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    blend = (0.5 + (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(8))[..., None]
    picture = first * blend + last * (1 - blend) + rng.normal(0, 3, (size, size, 1))
    return picture.clip(0, 255).astype(np.uint8)


def make_frames(label: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """One clip before encoding: [T, size, size, 3] uint8 RGB.

    The same `rng` state gives, for the two labels of a pair, the same frames in opposite orders.
    """
    pair, backward = divmod(label, 2)
    dark_shape = rng.random() < 0.5
    still = background(rng, size, dark=not dark_shape)
    fill = colour(rng, dark_shape)
    outlines = LOPSIDED if pair == TURNING else OUTLINES
    outline = outlines[rng.integers(len(outlines))]

    middle = np.array([*rng.uniform(0.35, 0.65, 2), np.log(rng.uniform(0.16, 0.24)), rng.uniform(0, 2 * np.pi)])
    change = np.zeros(4)
    change[pair] = rng.uniform(LEAST_CHANGE[pair], MOST_CHANGE[pair])
    progress = np.linspace(-0.5, 0.5, rng.choice(LENGTHS))
    frames = np.stack([draw(still, outline, fill, middle + step * change) for step in progress])
    return frames[::-1] if backward else frames


def draw(still: np.ndarray, outline: np.ndarray, fill: np.ndarray, state: np.ndarray) -> np.ndarray:
    """`still` with the shape over it at `state` [x, y, log radius, angle], lengths in frame widths."""
    x, y, log_radius, angle = state
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = (np.exp(log_radius) * outline @ turn + (x, y)) * len(still)  # [corners, 2] in pixels
    fraction_bits = 4  # fillPoly takes integers; these many bits of them are a fraction of a pixel
    points = np.round(corners * 2**fraction_bits).astype(np.int32)
    return cv2.fillPoly(still.copy(), [points], fill.tolist(), cv2.LINE_AA, fraction_bits)


def write_video(path: Path, frames: np.ndarray) -> None:
    """Encodes `frames` [T, H, W, 3] as H.264 in MP4 at 25 frames a second. Bit-equal for equal frames."""
    with av.open(str(path), "w") as container:
        # A fixed quantiser: with rate control (crf), x264's output can vary when several clips are encoded at once.
        stream = container.add_stream("libx264", rate=25, options={"qp": "20", "preset": "fast", "threads": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def make_clip(root: Path, split: str, size: int, seed: int, index: int) -> str:
    """Makes clip number `index` of a split under `root` and returns its line of the list."""
    label = index % len(LABELS)
    name = f"{split}/{LABELS[label].replace(' ', '_')}_{index:04}.mp4"
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    write_video(root / name, make_frames(label, size, rng))
    return f"{name} {label}\n"


def make_split(root: Path, split: str, clips: int, size: int = 64, seed: int = 0) -> Path:
    """Makes `clips` videos in root/split, the classes in turn, and returns the list, root/split.list.

    A clip depends on (seed, split, its number) alone: the first ones of a longer split are the same.
    """
    (root / split).mkdir(parents=True)
    # Drawing in OpenCV and encoding in FFmpeg release the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines: Iterable[str] = pool.map(partial(make_clip, root, split, size, seed), range(clips))
        lines = tqdm(lines, desc=f"{split} clips", total=clips, unit="clip", disable=None)
        (root / f"{split}.list").write_text("".join(lines))
    return root / f"{split}.list"


def make_dataset(out: Path, clips: dict[str, int], size: int = 64, seed: int = 0) -> bool:
    """Makes the whole data set in the folder `out`; False when it is there already, with these settings.

    Works in a folder beside `out` and renames it at the end, so an interrupted run leaves nothing that looks finished.
    Raises ValueError when `out` holds something else.
    """
    settings = {"version": VERSION, "clips": clips, "size": size, "seed": seed}
    made_before = out / "settings.json"
    if made_before.is_file() and json.loads(made_before.read_text()) == settings:
        return False
    if out.exists() and not made_before.is_file():
        raise ValueError(f"{out} exists and is not a demo data set; remove it, or give another folder as --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        root = Path(temporary) / out.name
        for split in SPLITS:
            make_split(root, split, clips[split], size, seed)
        (root / "labels.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(LABELS)))
        (root / "settings.json").write_text(json.dumps(settings) + "\n")
        if out.exists():
            out.rename(Path(temporary) / "old")
        root.rename(out)
    return True


def make_sheet(path: Path, size: int = 64, seed: int = 7) -> None:
    """Writes a picture of the classes: a row a class with its name and two clips, 6 frames each, time to the right."""
    shown, gap, margin, wide = 6, 4, 12, 208
    strip = shown * (size + gap) - gap
    height = len(LABELS) * (size + gap) - gap + 2 * margin
    sheet = np.full((height, wide + 2 * (strip + margin) + margin, 3), 255, np.uint8)
    for label, name in enumerate(LABELS):
        top = margin + label * (size + gap)
        cv2.putText(
            sheet, name, (margin, top + size // 2 + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (50, 50, 50), 1, cv2.LINE_AA
        )
        for clip in range(2):
            frames = make_frames(label, size, np.random.default_rng([seed, clip, label]))
            picked = frames[np.linspace(0, len(frames) - 1, shown).round().astype(int)]
            for i, frame in enumerate(picked):
                left = wide + clip * (strip + margin) + i * (size + gap)
                sheet[top : top + size, left : left + size] = frame
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).quantize(256).save(path, optimize=True)  # a palette: a tenth of the size


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=here / "videos", help="folder to make (default: %(default)s)")
    parser.add_argument("--train", type=int, default=640, help="clips to learn from (default: %(default)s)")
    parser.add_argument("--valid", type=int, default=160, help="clips held out (default: %(default)s)")
    parser.add_argument(
        "--size", type=int, default=64, help="frame width and height, pixels, even (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="0 or more; another seed makes other clips (default: 0)")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="draw a picture of the classes there, and make no clips"
    )
    args = parser.parse_args()
    if args.train < 1 or args.valid < 1:
        parser.error(f"--train {args.train} --valid {args.valid}: each split needs at least one clip")
    if args.size < 16 or args.size % 2:
        parser.error(f"--size {args.size}: must be even, and 16 or more")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: must be 0 or more")
    return args


def main() -> None:
    """Makes the data set, or the picture."""
    args = parse_arguments()
    try:
        if args.sheet:
            make_sheet(args.sheet)
            print(f"Wrote {args.sheet}")
        elif make_dataset(args.out, {"train": args.train, "valid": args.valid}, args.size, args.seed):
            print(f"Wrote {args.train} training and {args.valid} held-out clips of {len(LABELS)} classes to {args.out}")
        else:
            print(f"{args.out} holds these clips already")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
