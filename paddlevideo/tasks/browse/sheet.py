"""A contact sheet: a row for each clip with its frames in time, below its class and file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from paddlevideo.tasks.browse.clips import Shown
from paddlevideo.tasks.browse.drawing import blended, drawable, font_for, shorten, spread, strip

MARGIN, GAP, BETWEEN = 12, 2, 14  # pixels: around the sheet, between frames, between clips
TITLE, TEXT = 16, 14  # height of letters
LINE = 22  # height of a caption
NARROWEST = 720  # so that captions can be read
MOST_FRAMES, MOST_VIEWS = 16, 10  # that are drawn of a clip
BLACK, GREY = "#000000", "#606060"


def sheet(clips: Sequence[Shown], title: str, named: Callable[[tuple[int, ...]], str]) -> Image.Image:
    """The whole picture."""
    strips = [strip(picked(clip), GAP) for clip in clips]
    width = max(NARROWEST, *(picture.width for picture in strips))
    height = MARGIN + LINE + sum(LINE + picture.height + BETWEEN for picture in strips)
    whole = Image.new("RGB", (width + 2 * MARGIN, height), "white")
    draw = ImageDraw.Draw(whole)
    write(draw, (MARGIN, MARGIN - 4), f"{title}; {size_of(clips[0])}", width, TITLE, BLACK)
    y = MARGIN + LINE
    for clip, picture in zip(clips, strips):
        caption(draw, clip, named, y, width)
        whole.paste(picture, (MARGIN, y + LINE))
        y += LINE + picture.height + BETWEEN
    return whole


def picked(clip: Shown) -> list:
    """The views and frames that are drawn: [T, H, W, 3] each."""
    views, frames = clip.frames.shape[:2]
    return [clip.frames[view][spread(frames, MOST_FRAMES)] for view in spread(views, MOST_VIEWS)]


def size_of(clip: Shown) -> str:
    """What a clip is made of, in words."""
    views, frames, height, width = clip.frames.shape[:4]
    said = f"{frames} frames of {width}x{height}" + (f" ({MOST_FRAMES} shown)" if frames > MOST_FRAMES else "")
    if views > 1:
        said += f", {views} views" + (f" ({MOST_VIEWS} shown)" if views > MOST_VIEWS else "") + ", a row each"
    return said


def caption(
    draw: ImageDraw.ImageDraw, clip: Shown, named: Callable[[tuple[int, ...]], str], y: int, width: float
) -> None:
    """The class in black, then index and file in grey, shortened to fit beside it."""
    text = blended(clip, named(clip.labels), named(clip.partner or ()))
    used = write(draw, (MARGIN, y), text, 0.6 * width, TEXT, BLACK) + 16
    write(draw, (MARGIN + used, y), f"#{clip.index}  {clip.path}", width - used, TEXT, GREY)


def write(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, width: float, size: int, colour: str
) -> float:
    """Draws a line, at most so wide. Returns its width in pixels."""
    of = font_for(text, size)
    line = shorten(drawable(text, of), width, of)
    draw.text(place, line, fill=colour, font=of)
    return of.getlength(line)
