"""A prompt as a moving landscape: palette, light, ridges, water or rain, all from one seed.

Pure: the same prompt, seed and size give the same frames. Pictures are arrays of shape
(height, width, 3), float32 from 0 to 1.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

# Sky from top to horizon, then the colour of what stands before it, then the light.
_PALETTES: Final = {
    "dusk": ("#0b1a33", "#5b4a6b", "#f0a45c", "#0a1420", "#ffd9a0"),
    "dunes": ("#233a5c", "#c98a5a", "#f6c788", "#7a3f22", "#fff0cf"),
    "night": ("#050b18", "#0d2338", "#1d4a5c", "#04080f", "#dfeaf5"),
    "aurora": ("#030914", "#07222e", "#0f4a4a", "#02060c", "#8fffd0"),
    "fog": ("#6f8697", "#a9b7bd", "#dfe2de", "#2c3a3f", "#fbf6e6"),
    "sea": ("#0d3350", "#2d7f97", "#a8dcd9", "#06202f", "#f4fbe8"),
    "neon": ("#0b0718", "#33104f", "#b0226e", "#0a0612", "#41d8ff"),
    "ember": ("#14060a", "#5c1626", "#e8622c", "#10060a", "#ffd27a"),
}
# The first family one of whose words is in the prompt; else the seed chooses.
_WORDS: Final = (
    ("aurora", ("aurora", "northern light", "polar")),
    ("neon", ("neon", "city", "street", "tram", "rain", "cyber")),
    ("dunes", ("dune", "desert", "sand", "canyon", "savanna")),
    ("sea", ("whale", "ocean", "sea", "water", "wave", "underwater", "river", "canal")),
    ("fog", ("fog", "mist", "mountain", "ridge", "valley", "snow", "forest", "pine")),
    ("night", ("night", "moon", "star", "galaxy", "space", "frozen")),
    ("ember", ("fire", "lava", "ember", "volcano", "storm", "dragon")),
    ("dusk", ("dusk", "sunset", "lighthouse", "evening", "dawn", "sunrise", "lantern")),
)
_STAR_DENSITY: Final = 0.0015
_STARRY: Final = frozenset({"night", "aurora", "neon"})
_WET: Final = frozenset({"sea", "dusk", "aurora", "night"})


def seed_of(prompt: str, seed: int | None) -> int:
    """Give the seed that decides everything: the caller's, mixed with the prompt."""
    digest = hashlib.sha256(f"{prompt}\x1f{seed}".encode()).digest()
    return int.from_bytes(digest[:8])


@dataclass(slots=True)
class _Ridge:
    profile: NDArray[np.float32]
    base: float
    height: float
    drift: float
    colour: Picture


class Scene:
    """A landscape that can be looked at, at any moment of its length."""

    def __init__(self, prompt: str, *, seed: int | None, width: int, height: int) -> None:
        self._width, self._height = width, height
        dice = np.random.default_rng(seed_of(prompt, seed))
        self.family = _family(prompt, dice)
        top, middle, horizon, ground, light = (_colour(text) for text in _PALETTES[self.family])
        self._light, self._ground = light, ground
        self._horizon = float(dice.uniform(0.5, 0.64))
        self._y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        self._x = np.linspace(0, width / height, width, dtype=np.float32)[None, :]
        self._sky = self._gradient(top, middle, horizon)
        self._orb = (
            float(dice.uniform(0.25, 0.75)) * width / height,
            self._horizon * float(dice.uniform(0.35, 0.85)),
            float(dice.uniform(0.035, 0.075)),
        )
        self._stars = dice.random((height, width), dtype=np.float32) > 1 - _STAR_DENSITY
        self._twinkle = dice.random((height, width), dtype=np.float32) * 6.28
        self._ridges = self._make_ridges(dice, horizon)
        self._phases = dice.uniform(0, 6.28, 12).astype(np.float32)
        self._drops = dice.random((90, 3), dtype=np.float32)

    def frame(self, at: float) -> Picture:
        """Draw the moment `at`, seconds from the start."""
        picture = self._sky.copy()
        if self.family in _STARRY:
            self._add_stars(picture, at)
        if self.family == "aurora":
            self._add_curtains(picture, at)
        self._add_orb(picture, at)
        for ridge in self._ridges:
            self._add_ridge(picture, ridge, at)
        if self.family in _WET:
            self._add_water(picture, at)
        if self.family == "neon":
            self._add_rain(picture, at)
        self._add_mist(picture, at)
        shown: Picture = np.clip(picture * self._vignette(), 0, 1).astype(np.float32)
        return shown

    def _gradient(self, top: Picture, middle: Picture, horizon: Picture) -> Picture:
        place = np.clip(self._y / self._horizon, 0, 1)[..., None]
        upper = top + (middle - top) * np.clip(place * 1.6, 0, 1)
        mix = np.clip((place - 0.45) / 0.55, 0, 1) ** 1.7
        column = upper + (horizon - upper) * mix
        return np.repeat(column, self._width, axis=1).astype(np.float32)

    def _make_ridges(self, dice: np.random.Generator, horizon: Picture) -> list[_Ridge]:
        ridges = []
        count = 2 if self.family in _WET else 4
        length = self._width * 2
        for depth in range(count):
            near = (depth + 1) / count
            along = np.linspace(0, 2 * self._width / self._height, length, dtype=np.float32)
            profile = np.zeros(length, dtype=np.float32)
            octaves = 2 if self.family == "dunes" else 6
            for octave in range(octaves):
                frequency = (1.3 + near) * 1.9**octave
                profile += np.sin(along * frequency + dice.uniform(0, 6.28)) / 1.75**octave
            if self.family == "neon":
                profile = _skyline(dice, length)
            profile = (profile - profile.min()) / (np.ptp(profile) + 1e-6)
            ridges.append(
                _Ridge(
                    profile=profile,
                    base=self._horizon + 0.03 + 0.33 * near**1.5 * (self.family not in _WET),
                    height=0.10 + 0.13 * near,
                    drift=0.012 + 0.05 * near,
                    colour=(horizon + (self._ground - horizon) * (0.35 + 0.65 * near)).astype(
                        np.float32
                    ),
                )
            )
        return ridges

    def _add_stars(self, picture: Picture, at: float) -> None:
        shine = 0.55 + 0.45 * np.sin(self._twinkle + at * 2.2)
        fade = np.clip(1.1 - self._y / self._horizon, 0, 1)
        picture += (self._stars * shine * fade)[..., None].astype(np.float32)

    def _add_curtains(self, picture: Picture, at: float) -> None:
        for band in range(3):
            phase = self._phases[band]
            centre = 0.16 + 0.07 * band + 0.05 * np.sin(self._x * 2.4 + phase + at * 0.45)
            folds = 0.5 + 0.5 * np.sin(
                self._x * (9 + 4 * band) + 3 * np.sin(self._x * 2 + at * 0.7)
            )
            glow = np.exp(-((self._y - centre) ** 2) / 0.006) * (0.35 + 0.65 * folds)
            glow += np.exp(-np.clip(centre - self._y, 0, 1) * 9) * (self._y < centre) * 0.35 * folds
            tint = self._light * (1 - 0.25 * band) + np.array(
                [0.25, 0.0, 0.35], dtype=np.float32
            ) * (0.25 * band)
            picture += glow[..., None].astype(np.float32) * tint * 0.55

    def _add_orb(self, picture: Picture, at: float) -> None:
        x, y, radius = self._orb
        distance = np.sqrt((self._x - x - at * 0.004) ** 2 + (self._y - y + at * 0.003) ** 2)
        disc = np.clip((radius - distance) * self._height / 2, 0, 1)
        halo = np.exp(-distance / (radius * 3.2)) * 0.55 + np.exp(-distance / 0.5) * 0.16
        picture += (halo[..., None] * self._light).astype(np.float32)
        np.minimum(picture, 1, out=picture)
        bright = self._light * 0.4 + 0.6
        picture += (disc[..., None] * (bright - picture)).astype(np.float32)

    def _add_ridge(self, picture: Picture, ridge: _Ridge, at: float) -> None:
        start = int(ridge.drift * at * self._height) % self._width
        edge = ridge.base - ridge.height * ridge.profile[start : start + self._width]
        cover = np.clip((self._y - edge[None, :]) * self._height / 1.5, 0, 1)[..., None]
        depth = np.clip((self._y - edge[None, :]) * 2.2, 0, 1)[..., None]
        shade = ridge.colour * (1.12 - 0.45 * depth)
        picture += cover * (shade - picture)

    def _add_water(self, picture: Picture, at: float) -> None:
        line = int(self._height * (self._horizon + 0.035))
        rows = self._height - line
        mirrored = picture[np.clip(line - 1 - np.arange(rows), 0, line - 1)]
        y = self._y[line:]
        swell = np.sin((y - self._horizon) * 160 / (0.35 + y) + at * 2.6 + self._phases[4])
        shift = (swell * 5 * (y - self._horizon + 0.05) * self._height / 240).astype(int)
        columns = (np.arange(self._width)[None, :] + shift) % self._width
        waves = np.take_along_axis(mirrored, columns[..., None], axis=1)
        x = self._orb[0]
        glitter = np.exp(-((self._x - x) ** 2) / (0.006 + 0.09 * (y - self._horizon)))
        sparkle = np.clip(np.sin(self._x * 60 + 5 * np.sin(y * 230 + at) + at * 3) - 0.2, 0, 1)
        sparkle *= np.clip(0.6 + swell, 0, 1.6) * glitter * 0.4
        depth = (0.72 - 0.42 * (y - self._horizon) / (1 - self._horizon))[..., None]
        picture[line:] = waves * depth + self._ground * (1 - depth) * 0.8
        picture[line:] += sparkle[..., None].astype(np.float32) * self._light

    def _add_rain(self, picture: Picture, at: float) -> None:
        for x, y, speed in self._drops:
            column = int(x * self._width)
            top = int(((y + at * (0.9 + speed)) % 1.1) * self._height)
            picture[top : top + self._height // 14, column : column + 1] += 0.16
        glow = 0.5 + 0.5 * np.sin(self._x * 6 + self._phases[5] + at * 0.9)
        floor = np.clip((self._y - 0.78) / 0.22, 0, 1) * glow * 0.35
        picture += floor[..., None].astype(np.float32) * self._light

    def _add_mist(self, picture: Picture, at: float) -> None:
        amount = 0.55 if self.family == "fog" else 0.16
        drift = self._x * 2.3 + at * 0.22
        wave = 0.5 + 0.25 * np.sin(drift + self._phases[6]) + 0.25 * np.sin(drift * 2.7 - at * 0.3)
        band = np.exp(-((self._y - self._horizon - 0.08) ** 2) / 0.012) * wave * amount
        haze = self._sky[int(self._height * self._horizon) - 1, 0]
        picture += band[..., None].astype(np.float32) * (haze - picture)

    def _vignette(self) -> Picture:
        centre = self._width / self._height / 2
        fall = (self._x / centre - 1) ** 2 * 0.5 + (self._y * 2 - 1) ** 2 * 0.5
        return (1 - 0.28 * fall)[..., None].astype(np.float32)


def _skyline(dice: np.random.Generator, length: int) -> NDArray[np.float32]:
    profile = np.zeros(length, dtype=np.float32)
    at = 0
    while at < length:
        width = int(dice.integers(max(4, length // 60), max(6, length // 22)))
        profile[at : at + width] = dice.uniform(0.1, 1.0)
        at += width
    return profile


def _family(prompt: str, dice: np.random.Generator) -> str:
    text = prompt.lower()
    for family, words in _WORDS:
        if any(word in text for word in words):
            return family
    return str(dice.choice(sorted(_PALETTES)))


def _colour(text: str) -> Picture:
    values = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return np.array(values, dtype=np.float32)
