"""A prompt as a small moving picture: the words choose a scene, the seed everything in it.

Pure: the same request gives the same frames. A scene is a still backdrop and painters over it.
"""

import re
import zlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pictures are planar: (3, height, width), from 0 to 1.
Field = NDArray[np.floating[Any]]
Painter = Callable[[Field, float], None]
# Top of the sky, its middle, the horizon, what stands in front, the light. The seed picks one.
_PALETTES: Final = {
    "aurora": ("030714 06202c 0d4046 02060b 3dffc0", "050618 0c1c38 164058 02050c 5cf0a0"),
    "deep": ("7fe0d0 17707c 04222e 031620 d9fff0", "6cb8e8 14508a 041630 030e1e dcf2ff"),
    "neon": ("04060f 0a1020 1c1830 03050b ffb060", "07040f 170a2c 3a1248 04030a ff5aa8"),
    "dunes": ("1d3f5e 8a8a78 f9bd6a 8c451c fff0b8", "2c2350 b0566a ffb27a 7a2f2a ffe3c0"),
    "ridges": ("7b8d98 b2b8b6 e9e0cf 14252b fff2d4", "2c4468 8a86a8 f6c3a4 121c30 ffe9cc"),
    "coast": ("0a1730 33405f f0965a 050b14 ffcf8a", "1a1236 7a3b5e f7a072 0b0a18 ffe0b0"),
    "night": ("060c18 0d1c2e 1e3a4e 03070c f6e4bc", "0a0a22 1c1c48 46406c 05060f f4ecdc"),
    "ink": ("05070c 12345c e8744a 05070c ffe2b4", "04090c 0d5a5c e9b44c 04090c fff4d8"),
}
# On a tie the earlier wins: a prompt with none of these words is ink.
_WORDS: Final = {
    "ink": "ink smoke macro abstract paint silk liquid",
    "aurora": "aurora borealis northern polar arctic",
    "deep": "whale humpback underwater reef fish jellyfish diver shark coral dolphin submarine",
    "neon": "neon city street rain tram traffic cyberpunk taxi skyline umbrella window alley",
    "dunes": "dune desert sand canyon savanna camel sahara mars copper",
    "ridges": "fog mist mountain ridge valley forest pine snow hill peak cloud alpine tree dawn",
    "coast": "sea ocean water wave lighthouse harbour coast beach boat river canal lake dusk storm",
    "night": "night moon star sky galaxy space frozen comet planet winter meteor midnight",
}
# How much fog lies before the hills, which have trees there.
_MISTS: Final = {"ridges": 0.8, "night": 0.3}
# Lights: how many, how fast they rise, the smallest and largest radius, their colours.
_STARS: Final = (150, 0.0, 0.0005, 0.0017, "b8bcc4 c8b8a4 a4b4d0")
_MOTES: Final = (40, 0.012, 0.002, 0.005, "cfeee6")
_DROPS: Final = (70, -0.9, 0.0015, 0.003, "9db4c8")
_LAMPS: Final = (64, -0.003, 0.012, 0.06, "ffb45c ff7a45 ffd9a0 4fa3c8 58c0c0 e0455e b45cc8")


def seed_of(prompt: str, seed: int | None) -> int:
    """Give the seed in use: the caller's, or one made from the prompt that gives the same clip."""
    return seed if seed is not None else zlib.crc32(prompt.encode("utf-8", "replace")) >> 1


class _Stage:
    """What painters share; distances are in heights of the picture."""

    def __init__(self, prompt: str, *, seed: int, size: tuple[int, int], seconds: float) -> None:
        self.family, self.seconds = _family(prompt), seconds
        # A lone surrogate has no bytes in UTF-8.
        self.dice = np.random.default_rng([*prompt.encode("utf-8", "replace"), abs(seed)])
        self.width, self.height = width, height = size
        marks = str(self.dice.choice(_PALETTES[self.family])).split()
        self.palette = [_colour(mark) for mark in marks]
        self.x = np.linspace(0, width / height, width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        self.horizon = float(self.dice.uniform(0.56, 0.64))
        side = float(self.dice.choice([0.3, 0.7]) + self.dice.uniform(-0.1, 0.1)) * width / height
        # Sun or moon: across, down, radius.
        radius = min(width / height, 1) * float(self.dice.uniform(0.05, 0.07))
        self.orb = (side, self.horizon, radius)


class Scene:
    """A moving picture that can be looked at, at any moment of its length."""

    def __init__(self, prompt: str, *, seed: int, size: tuple[int, int], seconds: float) -> None:
        stage = _Stage(prompt, seed=seed, size=size, seconds=seconds)
        self._painters = _RECIPES[stage.family](stage)
        self._backdrop = _sky(stage, disc=stage.family in {"coast", "ridges", "dunes", "night"})
        fall = (stage.x / stage.x[0, -1] * 2 - 1) ** 2 * 0.5 + (stage.y * 2 - 1) ** 2 * 0.5
        # Levels stay clear of both ends, so that grain does not overflow.
        self._levels = ((1 - 0.3 * fall) * 240).astype(np.float32)

    def frame(self, at: float) -> NDArray[np.uint8]:
        """Draw the moment `at`, seconds from the start: (height, width, 3), levels 8 to 248."""
        picture = self._backdrop.copy()
        for paint in self._painters:
            paint(picture, at)
        np.clip(picture, 0, 1, out=picture)
        picture *= self._levels
        picture += 8
        return np.ascontiguousarray(np.moveaxis(picture.astype(np.uint8), 0, -1))


def _coast(stage: _Stage) -> list[Painter]:
    x, line, radius = stage.orb
    stage.orb = (x, line - radius * float(stage.dice.uniform(0.1, 1.6)), radius)
    clouds = _clouds(stage, stage.palette[4], amount=0.45, top=0, bottom=line)
    return [clouds, *_hills(stage, 2, (line - 0.005, line), tall=0.07), _water(stage)]


def _deep(stage: _Stage) -> list[Painter]:
    stage.horizon, stage.orb = 1.0, (stage.orb[0], -0.1, 0.06)
    return [_rays(stage), *_hills(stage, 2, (0.9, 0.97), tall=0.1), _discs(stage, _MOTES)]


def _ridges(stage: _Stage) -> list[Painter]:
    stage.horizon -= 0.16
    top, radius = stage.horizon, stage.orb[2] * 0.8
    stage.orb = (stage.orb[0], top - float(stage.dice.uniform(0.1, 0.2)), radius)
    hills = _hills(stage, 6, (top + 0.04, 0.98), tall=0.2)
    fog = [
        _clouds(stage, stage.palette[2], amount=0.65, top=top + at, bottom=top + at + 0.3)
        for at in (-0.06, 0.06, 0.2)
    ]
    return [*hills[:2], fog[0], *hills[2:4], fog[1], hills[4], fog[2], hills[5]]


def _dunes(stage: _Stage) -> list[Painter]:
    stage.horizon -= 0.1
    top, radius = stage.horizon, stage.orb[2]
    stage.orb = (stage.orb[0], top - radius * 1.2, radius)
    clouds = _clouds(stage, stage.palette[4], amount=0.22, top=0, bottom=top)
    return [clouds, *_hills(stage, 5, (top + 0.03, 0.97), tall=0.2)]


def _night(stage: _Stage) -> list[Painter]:
    x, line, radius = stage.orb
    stage.orb = (x, line * float(stage.dice.uniform(0.35, 0.6)), radius * 1.2)
    clouds = _clouds(stage, stage.palette[2] * 1.3, amount=0.35, top=0.05, bottom=line + 0.1)
    hills = _hills(stage, 3, (line - 0.05, line), tall=0.13)
    air = _curtains(stage) if stage.family == "aurora" else clouds
    return [_discs(stage, _STARS), air, *hills, _water(stage)]


def _neon(stage: _Stage) -> list[Painter]:
    stage.orb = (stage.orb[0], stage.horizon + 0.1, 0.08)
    return [_discs(stage, _LAMPS), _discs(stage, _DROPS)]


def _ink(stage: _Stage) -> list[Painter]:
    x, y, turns = stage.x[:, ::3], stage.y[::3], stage.dice.uniform(0, 6.28, 8).astype(np.float32)
    tints = np.stack(stage.palette)[[0, 1, 2, 4], :, 0, 0]

    def paint(picture: Field, at: float) -> None:
        u, v = x * 3.2 + turns[0], y * 3.2 + turns[1]
        for step in range(4):
            bend = 1.15 + 0.25 * step
            across = np.sin(v * bend + at * 0.16 + turns[step]) * 0.85
            v = v + np.sin(u * bend - at * 0.13 + turns[step + 4]) * 0.85
            u = u + across
        level = (0.5 + 0.5 * np.sin(u * 1.1 + v * 0.7)) ** 1.4
        level = np.clip(level * (0.85 + 0.2 * np.sin(u * 6 + v * 4)), 0, 1)
        bands = [np.interp(level, (0, 0.35, 0.75, 1), tints[:, band]) for band in range(3)]
        picture[:] = _grown(stage, np.stack(bands))

    return [paint]


_RECIPES: Final[dict[str, Callable[[_Stage], list[Painter]]]] = {
    "coast": _coast, "deep": _deep, "ridges": _ridges, "dunes": _dunes,
    "aurora": _night, "night": _night, "neon": _neon, "ink": _ink,
}  # fmt: skip


def _sky(stage: _Stage, *, disc: bool) -> Field:
    top, middle, low, _, light = stage.palette
    place = np.clip(stage.y / stage.horizon, 0, 1)
    sky = top + (middle - top) * np.clip(place * 1.5, 0, 1)
    sky = sky + (low - middle) * np.clip((place - 0.42) / 0.58, 0, 1) ** 1.8 + stage.x * 0
    x, y, radius = stage.orb
    away = np.hypot(stage.x - x, stage.y - y)
    sky += (light - sky) * (np.exp(-away / (radius * 2.6)) / 2 + np.exp(-away / (radius * 9)) / 4)
    cover = np.clip((radius - away) * stage.height / 1.6 + 0.5, 0, 1) * disc
    return np.asarray(sky + (light * 0.6 + 0.4 - sky) * cover, dtype=np.float32)


def _hills(stage: _Stage, count: int, span: tuple[float, float], *, tall: float) -> list[Painter]:
    """Make layers from far to near, each with its own drift."""
    nears = [(depth + 1) / count for depth in range(count)]
    wide = stage.width + int(0.04 * stage.height * stage.seconds) + 3
    edges = []
    for near, base in zip(nears, np.linspace(*span, count), strict=True):
        profile = _profile(stage, wide, near)
        if stage.family in _MISTS:
            gap = max(3, stage.height // 55)
            tips = (0.35 + 0.65 * stage.dice.random(wide // gap + 1)).repeat(gap)[:wide]
            profile += tips * (1 - np.abs(np.arange(wide) % gap / gap * 2 - 1)) * 0.17 * near**2
        edges.append((base - profile * tall * (0.6 + 0.4 * near)) * stage.height)
    # Of each layer only what the next one leaves is drawn.
    bottoms = [*(int(edge.max()) + 2 for edge in edges[1:]), stage.height]
    return [_layer(stage, *each) for each in zip(edges, nears, bottoms, strict=True)]


def _layer(stage: _Stage, edge: Field, near: float, bottom: int) -> Painter:
    low, front, high = stage.palette[2], stage.palette[3], stage.height
    top, speed = max(0, int(edge.min()) - 1), (0.006 + 0.03 * near**1.5) * stage.height
    bottom = min(max(bottom, top + 1), high)
    haze = _MISTS.get(stage.family, 0.0) * (1.1 - 0.6 * near)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    depth = (rows - edge.astype(np.float32)) / high
    cover = np.clip(depth * high + 0.5, 0, 1)
    colours = low * 0.75 + (front - low * 0.75) * (0.22 + 0.78 * near**0.8)
    if stage.family == "dunes":
        # The slope the light falls on, followed down and aside: a crest between sun and shadow.
        slope = np.gradient(edge) * np.sign(edge.size / 2 - stage.orb[0] * high)
        aside = np.clip(np.arange(edge.size) + depth * high * 1.3, 0, edge.size - 1).astype(int)
        colours = colours * (1 + 0.75 * np.tanh(slope[aside] * 2.2) - np.clip(depth, 0, 1))
    colours = colours + (low - colours) * np.clip(depth * 4.5, 0, 1) * haze
    layer = np.concatenate([colours * cover, cover[None]]).astype(np.float32)

    def paint(picture: Field, at: float) -> None:
        column, part = divmod(speed * at, 1.0)
        seen = slice(int(column), int(column) + stage.width)
        shown = layer[:, :, seen] * np.float32(1 - part)
        shown += layer[:, :, 1:][:, :, seen] * np.float32(part)
        below = picture[:, top:bottom]
        below *= 1 - shown[3]
        below += shown[:3]

    return paint


def _profile(stage: _Stage, wide: int, near: float) -> Field:
    along, profile, smooth = np.arange(wide) / stage.height, np.zeros(wide), stage.family == "dunes"
    for octave in range(2 if smooth else 6):
        turn = along * (2.2 + 1.6 * near) * 1.95**octave + stage.dice.uniform(0, 6.28)
        # Folded sines have the sharp tops of mountains, plain ones the round tops of dunes.
        wave = np.sin(turn) if smooth else 1 - 2 * np.abs(np.sin(turn / 2))
        profile += wave / 2.1**octave
    return np.asarray((profile - profile.min()) / (np.ptp(profile) + 1e-6))


def _clouds(stage: _Stage, tint: Field, *, amount: float, top: float, bottom: float) -> Painter:
    """Drift a bank of soft noise between two heights."""
    first, last = int(top * stage.height), int(min(bottom, 1) * stage.height)
    view, high = stage.width // 6, max(4, (last - first) // 4)
    wide = view + int(stage.seconds * 4) + 2
    noise = np.zeros((high, wide), dtype=np.float32)
    rows = 3 if stage.height > stage.width else 1
    for octave in range(1, 5):
        grid = stage.dice.random((2 + rows * 2**octave, 2 + 2 ** (octave + 1)), dtype=np.float32)
        grown = Image.fromarray(grid).resize((wide, high), Image.Resampling.BICUBIC)
        noise += np.asarray(grown) / 1.7**octave
    noise = np.clip((noise - noise.mean()) / noise.std() * 0.35 + 0.35, 0, 1)
    fade = np.sin(np.linspace(0, np.pi, high, dtype=np.float32))[:, None]
    bank = Image.fromarray((noise * fade * amount * 255).astype(np.uint8))

    def paint(picture: Field, at: float) -> None:
        box = (at * 4, 0, at * 4 + view, high)
        shown = bank.resize((stage.width, last - first), Image.Resampling.BILINEAR, box=box)
        cover = np.asarray(shown, dtype=np.float32) / np.float32(255)
        picture[:, first:last] += (tint - picture[:, first:last]) * cover

    return paint


def _curtains(stage: _Stage) -> Painter:
    x, y, turns = stage.x[:, ::2], stage.y[::4], stage.dice.uniform(0, 6.28, 12)
    light, violet = stage.palette[4], _colour("8a4ae0")

    def paint(picture: Field, at: float) -> None:
        glow = np.zeros((3, y.size, x.size), dtype=np.float32)
        for band, turn in enumerate(turns[:3]):
            foot = 0.3 + 0.08 * band + 0.06 * np.sin(x * (1.7 + band) + turn + at * 0.3)
            up = (foot + 0.03 * np.sin(x * 6 + at * 0.5 + turn) - y) * (3.2 + band)
            folds = np.sin(x * 13 + 4 * np.sin(x * 1.9 + turn + at * 0.25)) * np.sin(x * 31 + at)
            veil = np.clip(0.55 + 0.45 * np.sin(x * 2.3 - at * 0.35 + turns[band + 3]), 0, 1)
            shine = np.exp(-np.abs(up) * np.where(up > 0, 1.6, 14)) * veil * (0.75 + 0.35 * folds)
            tint = light + (violet - light) * np.clip(up * 0.8, 0, 0.9)
            glow += shine * tint * (0.8 - 0.15 * band)
        picture += _grown(stage, glow)

    return paint


def _rays(stage: _Stage) -> Painter:
    x, y, turns = stage.x[:, ::4], stage.y[::4], stage.dice.uniform(0, 6.28, 3)
    angle = np.arctan2(x - stage.orb[0], y + 0.12)
    fade = np.exp(-np.hypot(x - stage.orb[0], y) * 1.7) * np.exp(-(angle**2) * 0.8)

    def paint(picture: Field, at: float) -> None:
        beams = np.sin(angle * 17 + turns[0] + at * 0.35) + np.sin(angle * 29 + turns[1] - at * 0.5)
        beams = np.clip(beams + np.sin(angle * 7 + turns[2] + at * 0.2), 0, 3) * 0.33
        picture += _grown(stage, beams * fade * stage.palette[4])

    return paint


def _discs(stage: _Stage, lights: tuple[int, float, float, float, str]) -> Painter:
    """Float lights out of focus, brighter at the rim; they come back in at the other side."""
    count, rise, least, most, tints = lights
    places, turns = stage.dice.random((count, 2)), stage.dice.uniform(0, 6.28, count)
    if lights is _LAMPS:
        places[:, 1] = np.clip(stage.dice.normal(stage.horizon, 0.16, count), 0.02, 0.98)
    spread = (most - least) * stage.dice.random(count) ** 1.5
    stamps = []
    for size in (least + spread) * min(stage.height, stage.width):
        reach = int(size) + 2
        away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) / max(size, 0.7)
        body = np.clip((1 - away) * max(size, 0.7) + 0.5, 0, 1) * (0.4 + 0.3 * away**6)
        stamp = (body * _colour(str(stage.dice.choice(tints.split())))).astype(np.float32)
        stamps.append(stamp.repeat(9, axis=1) if lights is _DROPS else stamp)

    def paint(picture: Field, at: float) -> None:
        for stamp, (x, y), turn in zip(stamps, places, turns, strict=True):
            tall, wide = stamp.shape[1:]
            row = int((y - rise * at * (1 + 0.3 * np.sin(turn))) % 1 * (stage.height - tall))
            column = int((x * 0.98 + 0.01 + 0.004 * np.sin(at + turn)) * (stage.width - wide))
            spot = picture[:, row : row + tall, column : column + wide]
            spot += stamp * np.float32(0.65 + 0.25 * np.sin(at * 1.3 + turn))

    return paint


def _water(stage: _Stage) -> Painter:
    """Mirror what is above the horizon, bent by waves."""
    line = int(stage.height * stage.horizon)
    deep = (stage.y[line:] - stage.horizon) / (1 - stage.horizon)
    rows, columns = np.arange(stage.height - line)[:, None], np.arange(stage.width)[None, :]
    pace, sway = np.log(deep + 0.06) * 26, np.sin(stage.x * 9 + deep * 40) * 1.6
    path = np.exp(-(((stage.x - stage.orb[0]) / (0.05 + 0.22 * deep)) ** 2))
    dim, tint = 0.85 - 0.5 * deep, stage.palette[3] * (0.15 + 0.55 * deep)

    def paint(picture: Field, at: float) -> None:
        wave = np.sin(pace - at * 2.1 + sway) + np.sin(pace * 1.7 + stage.x * 21 + at * 1.3) * 0.5
        bend = wave * (0.012 + 0.05 * deep) * stage.height * 0.5
        source = np.clip(line - 1 - (rows + bend), 0, line - 1).astype(int)
        picture[:, line:] = picture[:, source, columns] * dim + tint
        picture[:, line:] += stage.palette[4] * (np.clip(wave - 0.5, 0, 1) * path * 0.35)

    return paint


def _grown(stage: _Stage, field: Field) -> Field:
    """Scale a coarse picture up to the whole size."""
    levels = np.moveaxis((np.clip(field, 0, 1) * 255).astype(np.uint8), 0, -1)
    grown = Image.fromarray(levels).resize((stage.width, stage.height), Image.Resampling.BICUBIC)
    return np.moveaxis(np.asarray(grown, dtype=np.float32), -1, 0) / np.float32(255)


def _family(prompt: str) -> str:
    words = re.findall(r"\w+", prompt.lower())
    found = {*words, *(word.removesuffix("s") for word in words)}
    return max(_WORDS, key=lambda family: len(found.intersection(_WORDS[family].split())))


def _colour(mark: str) -> Field:
    return np.array(list(bytes.fromhex(mark)), dtype=np.float32)[:, None, None] / np.float32(255)
