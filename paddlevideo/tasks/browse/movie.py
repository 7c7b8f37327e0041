"""The clips of a sheet as a video that any player shows: one after the other, slowly, with captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
from PIL import Image, ImageDraw

from paddlevideo.tasks.browse.clips import Shown
from paddlevideo.tasks.browse.drawing import blended, spread, strip
from paddlevideo.tasks.browse.sheet import BLACK, GAP, GREY, LINE, MOST_VIEWS, TEXT, write
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

RATE = 4  # frames a second
SIDE = 336  # pixels of a frame's longer side, about, where a clip has one view
NARROWEST = 336


def write_movie(path: Path, clips: Sequence[Shown], named: Callable[[tuple[int, ...]], str]) -> None:
    """Writes an H.264 mp4, whole or not at all: every frame of every clip once; views side by side."""
    pictures = [list(pictures_of(clip)) for clip in clips]
    width = max(NARROWEST, *(some[0].width for some in pictures))
    height = 2 * LINE + max(some[0].height for some in pictures)
    with files.atomic(path) as scratch, av.open(str(scratch), "w", format="mp4") as container:
        try:
            stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{path}: this PyAV cannot write H.264 ({error}); pip install --upgrade av") from error
        stream.width, stream.height = width + width % 2, height + height % 2  # H.264 takes even sizes only
        stream.pix_fmt = "yuv420p"
        for clip, some in zip(clips, pictures):
            for picture in some:
                page = Image.new("RGB", (stream.width, stream.height), "white")
                page.paste(picture, (0, 2 * LINE))
                _captions(page, clip, named)
                container.mux(stream.encode(av.VideoFrame.from_image(page)))
        container.mux(stream.encode(None))


def pictures_of(clip: Shown) -> Iterator[Image.Image]:
    """Every frame of a clip, its views side by side."""
    views = spread(len(clip.frames), MOST_VIEWS)
    for t in range(clip.frames.shape[1]):
        shown = clip.frames[views, t]  # [V, H, W, 3]
        yield strip([shown], GAP, SIDE) if len(views) == 1 else strip([shown], GAP)


def _captions(page: Image.Image, clip: Shown, named: Callable[[tuple[int, ...]], str]) -> None:
    draw = ImageDraw.Draw(page)
    text = blended(clip, named(clip.labels), named(clip.partner or ()))
    write(draw, (4, 2), text, page.width - 8, TEXT, BLACK)
    write(draw, (4, LINE), f"#{clip.index}  {clip.path}", page.width - 8, TEXT, GREY)
