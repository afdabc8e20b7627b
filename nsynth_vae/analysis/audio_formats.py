"""Formats of files by their first bytes: those that are read, those that ffmpeg converts, and what is no sound."""

from __future__ import annotations

import pathlib
import re
import shlex

from nsynth_vae.analysis.audio_layout import UnreadableError

EXPECTED = "expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"

_AAC = "AAC (ADTS)"
_MPEG_RATES = b"[" + b"".join(re.escape(bytes([byte])) for byte in range(0xF0) if byte & 0x0C != 0x0C) + b"]"
"""A frame's third byte, of the bit rates and sample rates that there are."""
_ADTS_RATES = b"[" + b"".join(re.escape(bytes([byte])) for byte in range(256) if byte >> 2 & 15 < 13) + b"]"
_CONVERTIBLE = (
    # Of MPEG-4: the brand tells M4A from video; QuickTime and 3GP are its relatives.
    (rb"....ftypM4[AB]", "AAC or ALAC in M4A"),
    (rb"....ftyp(qt|3g)", "QuickTime or 3GP"),
    (rb"....ftyp(?!hei|hev|mif|avi)", "MP4"),
    (rb"....(moov|mdat|wide|free|skip|pnot)", "QuickTime or MP4"),
    # A sync of twelve ones, then layer 0, which MPEG audio does not have.
    (rb"\xff[\xf0\xf1\xf8\xf9]" + _ADTS_RATES, _AAC),
    (rb"\xff[\xf4\xf5\xfc\xfd]" + _MPEG_RATES, "MP2"),
    (rb"\xff[\xf6\xf7\xff]" + _MPEG_RATES, "MP1"),
    (rb"ADIF", "AAC (ADIF)"),
    (rb"\x56[\xe0-\xff]", "AAC (LATM)"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA (or other ASF)"),
    (rb"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (rb"MAC ", "Monkey's Audio"),
    (rb"wvpk", "WavPack"),
    (rb"MPCK|MP\+", "Musepack"),
    (rb"TTA[12]", "True Audio"),
    (rb"tBaK", "TAK"),
    (rb"OFR ", "OptimFROG"),
    (rb"ajkg", "Shorten"),
    (rb"DSD |FRM8....", "DSD"),
    (rb"\.ra\xfd|\.RMF", "RealAudio"),
    (rb"#!AMR", "AMR"),
    (rb"\x0b\x77", "AC-3"),
    (rb"\x7f\xfe\x80\x01", "DTS"),
    (rb"FLV\x01", "Flash video"),
    (rb"RIFF....AVI ", "AVI video"),
    (rb"\x00\x00\x01[\xba\xb3]", "MPEG video"),
)
"""Formats that libsndfile does not read and ffmpeg does."""

_OTHERS = (
    (rb"MThd|RIFF....RMID", "a MIDI file"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive"),
    (rb"\x1f\x8b", "a GZIP archive"),
    (rb"7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "an archive"),
    (rb"RIFF....sfbk", "a SoundFont"),
    (rb"\x00\x05\x16\x07", "macOS's metadata of a file"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|....ftyp", "a picture"),
    (rb"%PDF", "a PDF document"),
    (rb"\xff\xfe|\xfe\xff", "a text in UTF-16"),
    (rb"version https://git-lfs", "a Git LFS pointer to a file"),
    (rb"\s*<(!DOCTYPE|html|\?xml)", "a web page"),
    (rb"\x00{64}", "zeros"),
)
"""What is no sound, but is found under the names of sound files."""

_READ = (
    (rb"RIFF....WAVE|RIFX....WAVE|RIF[FX].{0,7}\Z", "WAV"),
    (rb"RF64|BW64", "RF64"),
    (rb"riff\x2e\x91\xcf\x11", "W64"),
    (rb"FORM....AIF[FC]|FORM.{0,7}\Z", "AIFF"),
    (rb"caff", "CAF"),
    (rb"\.snd|dns\.", "AU"),
    (rb"fLaC", "FLAC"),
    (rb"OggS", "Ogg"),
    (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "MP3"),
)
"""Formats whose files are validated here; libsndfile reads more."""


def format_name(head: bytes) -> str | None:
    """Return the format that is read here of a file by its first bytes (64 do): `WAV`, `FLAC`, ...; None for others.

    Raises:
        UnreadableError: for a format that is not read, but can be converted.
    """
    if name := _match(_CONVERTIBLE, head):
        raise UnreadableError(name)
    return _match(_READ, head)


def other_kind(head: bytes) -> str | None:
    """Return what a file is that is no sound, by its first bytes: `a ZIP archive`; None if that is not known."""
    return _match(_OTHERS, head)


def conversion(path: pathlib.Path | None) -> str:
    """Return the phrase that tells how to convert a file of a format that is not read."""
    source = path or pathlib.Path("FILE")
    target = source.with_suffix(".wav") if source.suffix.lower() != ".wav" else source.with_stem(f"{source.stem}-pcm")
    return f"which is not read here; `ffmpeg -i {_quoted(source)} {_quoted(target)}` converts it"


def _quoted(path: pathlib.Path) -> str:
    return shlex.quote(str(path))


def _match(formats: tuple[tuple[bytes, str], ...], head: bytes) -> str | None:
    return next((name for pattern, name in formats if re.match(pattern, head, re.DOTALL)), None)
