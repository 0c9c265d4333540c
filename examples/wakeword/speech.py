"""Speech to train with: eSpeak's voices, which `pip install espeakng-loader` ships, in rooms and noise made here.

No recordings: a network trained on these voices knows the phrase from a synthesizer. For a product, train with
recordings of people too.
"""

from __future__ import annotations

import ctypes
import pydoc_data.topics
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from log_mel import RATE

PHRASE = "hey quartz"
# What sounds like it and is not.
SIMILAR = (
    *("hey", "quartz", "okay quartz", "hey court", "hey carts", "hey sports", "hey corks", "hey boss", "hey Charles"),
    *("a quarter", "headquarters", "hey there", "say what", "they caught us", "hey, what's that", "play chords"),
    *("hay", "hey hey", "hey quick", "hey George", "the clay court is", "hey Carl", "may court", "way of thoughts"),
)
LANGUAGES = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-us-nyc", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
# Nobody speaks like these.
ODD = re.compile(r"whisper|robo|Robot|Demonic|croak|fast")
TESTED_VOICES = 5  # of so many voices, the first one is heard only in tests


class Synthesizer:
    """eSpeak NG, by its C interface."""

    RATE, PITCH, RANGE = 1, 3, 4

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        # 2: samples are handed over before espeak_Synth returns.
        self.sample_rate = self._library.espeak_Initialize(2, 0, data.encode(), 0)
        self.voices = sorted(path.name for path in Path(data, "voices", "!v").iterdir() if not ODD.search(path.name))
        self._pieces: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, text: str, voice: str, words_a_minute: int, pitch: int, melody: int) -> np.ndarray:
        """Speech at RATE, loudest 1, without the silence around it; `pitch` and `melody` are 0 to 99."""
        self._pieces.clear()
        self._library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((self.RATE, words_a_minute), (self.PITCH, pitch), (self.RANGE, melody)):
            self._library.espeak_SetParameter(parameter, value, 0)
        content = text.encode()
        self._library.espeak_Synth(content, ctypes.c_size_t(len(content) + 1), 0, 1, 0, 1, None, None)
        samples = resampled(np.concatenate(self._pieces).astype(np.float64), self.sample_rate)
        heard = np.nonzero(np.abs(samples) > 0.02 * np.abs(samples).max())[0]
        samples = samples[heard[0] : heard[-1] + 1]
        return samples / np.abs(samples).max()


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """At RATE, by cutting or filling up the spectrum."""
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return np.fft.irfft(spectrum, count) * (count / len(samples))


def colored(rng: np.random.Generator, count: int, color: float) -> np.ndarray:
    """Noise of deviation 1 whose power falls by the frequency to `color`: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), count / 400) ** (color / 2)
    noise = np.fft.irfft(spectrum, count)
    return noise / noise.std()


def reverberant(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """As heard in a room: the sound, and echoes that die away."""
    count = int(RATE * rng.uniform(0.05, 0.5))
    echo = rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
    echo *= rng.uniform(0, 0.7) / np.sqrt((echo**2).sum())
    echo[0] = 1
    size = len(samples) + count
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)


@dataclass
class Stream:
    """A stream of sound: int16 samples, and where the phrase ends in it."""

    samples: np.ndarray
    ends: list[int]


class Speakers:
    """Speaks phrases, what sounds like them, and anything else, by the voices for training or those for tests."""

    def __init__(self, synthesizer: Synthesizer, tested: bool) -> None:
        self._synthesizer = synthesizer
        names = synthesizer.voices
        self._voices = [name for i, name in enumerate(names) if (i % TESTED_VOICES == 0) == tested]

    @cached_property
    def _words(self) -> list[str]:
        """English text that Python ships: its own manual."""
        return re.findall(r"[A-Za-z]{2,}", " ".join(pydoc_data.topics.topics.values()))

    def say(self, rng: np.random.Generator, text: str) -> np.ndarray:
        voice = f"{rng.choice(LANGUAGES)}+{rng.choice(self._voices)}"
        speed, pitch, melody = (int(rng.integers(*span)) for span in ((120, 220), (20, 80), (20, 80)))
        return self._synthesizer.speak(text, voice, speed, pitch, melody)

    def anything(self, rng: np.random.Generator) -> str:
        start = int(rng.integers(len(self._words) - 12))
        return " ".join(self._words[start : start + int(rng.integers(1, 10))])

    def stream(self, rng: np.random.Generator, seconds: float, quiet: bool = False) -> Stream:
        """Utterances in one background noise; where `quiet` is true there is little noise."""
        count = int(seconds * RATE)
        level = 10 ** rng.uniform(-4.5, -3.5 if quiet else -1.5)
        sound = (
            colored(rng, count, rng.uniform(0, 2))
            * level
            * (1 + 0.5 * np.sin(np.arange(count) / RATE * rng.uniform(0, 2)))
        )
        sound += (
            level * rng.uniform(0, 1) * np.sin(2 * np.pi * rng.choice([50, 60, 100, 120]) * np.arange(count) / RATE)
        )
        at, ends = int(RATE * rng.uniform(0.3, 1.5)), []
        while True:
            kind = rng.random()
            text = PHRASE if kind < 0.35 else rng.choice(SIMILAR) if kind < 0.6 else self.anything(rng)
            spoken = self.say(rng, text)
            heard = reverberant(rng, spoken) * 10 ** rng.uniform(-1.3, -0.1)
            if at + len(heard) > count:
                break
            sound[at : at + len(heard)] += heard
            at += len(spoken)
            if text == PHRASE:
                ends.append(at)
            at += int(RATE * rng.uniform(0.1, 1.5))
        return Stream(np.clip(np.rint(sound * 32767), -32768, 32767).astype(np.int16), ends)
