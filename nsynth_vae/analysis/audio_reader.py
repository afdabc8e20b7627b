"""Reader of audio files, by libsndfile: whole ones, and of long ones the part where the sound begins.

libsndfile knows the formats. Before it decodes, what it would not say is looked for: that a file is truncated (WAV and
its relatives, Ogg, MP3), that pages or frames are damaged (Ogg, MP3), that there is more than one stream. FLAC's frames
have a checksum of their own, which it does check: of 3000 files with one bit changed, none was read as other samples.
FLAC's MD5 of all samples is checked here.
PCM has no checksum: there, damaged samples go unnoticed.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import pathlib
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from nsynth_vae.analysis import audio_chunks, audio_formats, flac_checksum, flac_streams, mp3_frames, ogg_pages
from nsynth_vae.analysis.audio_layout import Layout, Part, PartStream, UnreadableError
from nsynth_vae.config import LARGEST_SAMPLE
from nsynth_vae.files import broken_link

if TYPE_CHECKING:
    import soundfile

LONGEST_SECONDS = 30.0
"""More than this of a file is not read: a note is 4 s."""

CONTEXT_SECONDS = 1.0
"""Of a longer file, this much before the sound is read too."""

BLOCK_SECONDS = 0.1
"""Resolution at which the beginning of the sound is looked for in a long file."""

LARGEST_PIPE = 256 << 20
"""Bytes that are read from a pipe, into memory: 25 minutes of 44.1 kHz, stereo, 16 bits."""

SEARCHED = 1 << 16
"""Bytes in which the first frame of an MP3 is looked for."""

UNKNOWN = 2**62
"""More samples than any file has: the decoder's word for a length that is not stated."""

RATES = (100, 1_536_000)
"""Sample rates in Hz; what is outside is a damaged header."""

NOT_FINITE = "holds NaN or infinite samples, expected finite ones"
BEYOND = "holds samples up to {}, expected -1 to 1: integers written as float"


@dataclasses.dataclass(frozen=True)
class Audio:
    """Decoded audio."""

    samples: np.ndarray
    """float32 `[samples, channels]`; -1..1, or more where a decoder or a float file overshoots."""
    sample_rate: int
    """Hz."""
    length: int
    """Samples of the whole file."""
    start: int = 0
    """Where in the file `samples` begin."""
    warnings: tuple[str, ...] = ()
    """What was odd about the file."""


def read_audio(source: pathlib.Path | bytes, seconds: float = LONGEST_SECONDS) -> Audio:
    """Read a sound file of any format that libsndfile reads.

    A longer file is decoded twice: once for the level of each tenth of a second, then from `CONTEXT_SECONDS` before the
    first that is near the loudest.

    Args:
        source: the file, or its contents.
        seconds: how much of a longer file is returned.

    Raises:
        ValueError: for a file that cannot be read, is of another format, truncated, damaged or empty, or holds samples
            that are not finite or beyond `LARGEST_SAMPLE`; the text says what was found and what is expected.
    """
    path = source if isinstance(source, pathlib.Path) else None
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else _open(source) as stream:
            return _read(stream, seconds)
    except UnreadableError as error:
        raise ValueError(f"is {error}, {audio_formats.conversion(path)}") from error
    except OSError as error:
        problem = (broken_link(path) if path else "") or f"cannot be read ({error.strerror})"
        raise ValueError(f"{problem}, {audio_formats.EXPECTED}") from error


def _open(path: pathlib.Path) -> BinaryIO:
    """Open a file, or the contents of a pipe, which cannot be read twice.

    Raises:
        OSError: if it cannot be opened.
        ValueError: for what is neither.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise ValueError(f"is a {'folder' if stat.S_ISDIR(mode) else 'device'}, {audio_formats.EXPECTED}")
    if stat.S_ISREG(mode):
        return path.open("rb")
    with path.open("rb") as pipe:
        contents = pipe.read(LARGEST_PIPE + 1)
    if len(contents) > LARGEST_PIPE:
        raise ValueError(f"is a pipe with more than {LARGEST_PIPE >> 20} MB in it, expected a file of that size")
    return io.BytesIO(contents)


def _read(stream: BinaryIO, seconds: float) -> Audio:
    stream = _behind_tag(stream)
    layout = find_layout(stream)
    kept: list[np.ndarray] | None = []
    powers: list[float] = []
    lengths: list[int] = []
    rate = 0
    for rate, block in _blocks(stream, layout):
        if problem := check_peak(float(np.maximum(block.max(), -block.min()))):
            raise ValueError(problem)
        lengths.append(len(block))
        powers.append(_power(block))
        if kept is not None:
            kept.append(block)
            kept = kept if sum(lengths) <= seconds * rate else None
    if not powers:
        raise ValueError("holds no samples, expected sound")
    if kept is not None:
        return Audio(np.concatenate(kept), rate, sum(lengths), 0, layout.warnings)
    first = max(0, _beginning(np.array(powers)) - math.ceil(CONTEXT_SECONDS * rate / lengths[0]))
    blocks = itertools.islice(_blocks(stream, layout), first, first + math.ceil(seconds * rate / lengths[0]))
    samples = np.concatenate([block for _, block in blocks])
    return Audio(samples, rate, sum(lengths), sum(lengths[:first]), layout.warnings)


def check_peak(peak: float) -> str:
    """Return what is wrong with audio of this largest absolute sample; empty if nothing is."""
    if not math.isfinite(peak):
        return NOT_FINITE
    if peak > LARGEST_SAMPLE:
        return BEYOND.format(f"{peak:.6g}")
    return ""


def _power(block: np.ndarray) -> float:
    """Return the mean square of a block, `[samples, channels]`, without its channels' offsets, summed over channels."""
    means = np.full(len(block), 1.0 / len(block), np.float32) @ block
    return max(0.0, float(np.vdot(block, block)) / len(block) - float(means @ means))


def _beginning(powers: np.ndarray) -> int:
    """Return the first block that is within 40 dB of the loudest, and where there is noise, 6 dB above that.

    Noise is the level of the quietest tenth; of what is loud all the time that would be the sound itself, so what is
    within 10 dB of the loudest always counts.
    """
    loudest = powers.max()
    threshold = min(max(loudest * 1e-4, 4.0 * np.quantile(powers, 0.1)), loudest * 0.1)
    return int(np.argmax(powers >= threshold))


def find_layout(stream: BinaryIO) -> Layout:
    """Find what of a file is decoded, and validate it as far as libsndfile does not.

    Raises:
        UnreadableError: for a format that is not read, but can be converted.
        ValueError: for what is no sound, and a truncated or damaged file.
    """
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise ValueError(f"is empty, {audio_formats.EXPECTED}")
    head = _contents(stream, most=64)
    name = audio_formats.format_name(head)
    if name == "FLAC":
        return flac_streams.find_audio(stream, size)
    if name == "Ogg":
        return ogg_pages.find_audio(_contents(stream))
    if name is None and mp3_frames.synchronize(_contents(stream, most=SEARCHED), 0) is not None:
        name = "MP3"
    if name == "MP3":
        return mp3_frames.find_audio(_contents(stream))
    if name is not None:
        return audio_chunks.find_audio(stream, size, name)
    if kind := audio_formats.other_kind(head):
        raise ValueError(f"is {kind}, {audio_formats.EXPECTED}")
    return Layout("", (Part(0, size),))


def _behind_tag(stream: BinaryIO) -> BinaryIO:
    """Return a file as it is behind its ID3 tags, if that is not an MP3: taggers put them before FLAC and WAV too."""
    size, start = stream.seek(0, io.SEEK_END), 0
    while True:
        stream.seek(start)
        head = stream.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        start += mp3_frames.id3_size(head)
    stream.seek(start)
    following = stream.read(4096)
    start += len(following) - len(following.lstrip(b"\0"))  # Padding that a tag does not count.
    if not start or audio_formats.format_name(following.lstrip(b"\0")[:64]) in (None, "MP3"):
        return stream
    return cast(BinaryIO, PartStream(stream, Part(start, size)))


def _contents(stream: BinaryIO, most: int = -1) -> bytes:
    stream.seek(0)
    return stream.read(most)


def _blocks(stream: BinaryIO, layout: Layout) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a file; yield (sample rate in Hz, float32 `[samples, channels]`) of each `BLOCK_SECONDS`."""
    import soundfile

    rate = channels = 0
    done: int | None = None
    try:
        for part in layout.parts:
            done = None
            with _sequential(PartStream(stream, part)) as file:
                if not RATES[0] <= file.samplerate <= RATES[1]:
                    raise ValueError(f"states {file.samplerate} Hz: damaged {layout.name or file.format}")
                rate, channels = rate or file.samplerate, channels or file.channels
                if file.samplerate != rate:
                    raise ValueError(f"changes from {rate} to {file.samplerate} Hz, expected one sample rate")
                # A damaged header can state any rate and 1024 channels.
                size, done = min(round(BLOCK_SECONDS * file.samplerate), 2**20 // file.channels), 0
                md5 = flac_checksum.stated_md5(PartStream(stream, part).read(42)) if layout.name == "FLAC" else b""
                found = flac_checksum.SampleDigest(flac_checksum.BITS[file.subtype]) if md5 else None
                # What follows the last sample of a FLAC is taken for a damaged frame.
                stated = file.frames if layout.name == "FLAC" and file.frames < UNKNOWN else UNKNOWN
                while len(block := file.read(min(size, stated - done), dtype="float32", always_2d=True)):
                    done += len(block)
                    if found:
                        found.update(block)
                    if block.shape[1] != channels:
                        block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
                    yield rate, block
                if done < stated < UNKNOWN:
                    raise ValueError(f"holds {done} of {stated} samples: truncated FLAC")
                if found and found.digest() != md5:
                    raise ValueError(flac_checksum.MISMATCH)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().removeprefix("Error : ").rstrip(".")
        if layout.name == "WAV" and (encoding := audio_chunks.encoding(stream)):
            raise UnreadableError(f"{encoding} in WAV") from error
        if not layout.name:
            raise ValueError(f"is of an unknown format, {audio_formats.EXPECTED}") from error
        if layout.name == "FLAC" and done is not None:
            # Its decoder says the same of a damaged frame and of the end of the file within one.
            raise ValueError(
                f"cannot be decoded from sample {done} on ({reason}): truncated or damaged FLAC"
            ) from error
        raise ValueError(f"cannot be decoded ({reason}): damaged {layout.name}") from error


def _sequential(stream: io.RawIOBase) -> soundfile.SoundFile:
    """Open a file to read it from its beginning to its end.

    soundfile seeks after each read. That fails at the end of what does not state its length, such as FLAC from a pipe.
    """
    import soundfile

    class Sequential(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Sequential(stream)
