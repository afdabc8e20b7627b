"""`python -m nsynth_vae.play`: a MIDI file played with one timbre, one a channel, or a morph from one to another."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.errors import InputError


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.play",
        "Plays a MIDI file, all channels but the drums', and writes WAV or FLAC: 16 kHz, 16 bits, mono. Tempo changes, "
        "the sustain pedal, pitch bend, vibrato, volume and expression are followed. Notes released before 3 s get the "
        "release that the model gives them; longer ones are sustained, or decay on, by a loop.",
    )
    parser.add_argument("melody", metavar="MELODY.mid", type=cli.path, help="a Standard MIDI File")
    parser.add_argument("--timbre", metavar="TIMBRE", help=f"of all channels without an own one: {cli.TIMBRE}")
    parser.add_argument(
        "--channel",
        metavar="N=TIMBRE",
        type=_channel_timbre,
        action="append",
        default=[],
        help="the timbre of channel N, 1 to 16; can be given more than once; 10, the drums, is only played with one",
    )
    parser.add_argument(
        "--programs",
        action="store_true",
        help="channels without --channel have the instrument family of their General MIDI program; where they set "
        "none, that of program 1, or --timbre",
    )
    parser.add_argument(
        "--morph-to",
        metavar="TIMBRE",
        help="the timbre of the last note of --timbre: from the first, the notes are linearly interpolated by the "
        "times at which they begin (default: one timbre throughout)",
    )
    parser.add_argument(
        "--dynamics",
        metavar="X",
        type=float,
        default=1.0,
        help="a note's amplitude is multiplied by (velocity / 127) to the power of X, on top of the model's own "
        "response to velocities; 0: only the model (default: %(default)s)",
    )
    parser.add_argument("--output", "-o", metavar="FILE", required=True, type=cli.path, help=".wav or .flac")
    cli.add_take_options(parser)
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_play, make_parser(), arguments)


def _channel_timbre(text: str) -> tuple[int, str]:
    """Parse `2=flute`: a channel and its timbre."""
    channel, _, timbre = (part.strip() for part in text.partition("="))
    if not (channel.isascii() and channel.isdigit() and 1 <= int(channel) <= 16 and timbre):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a channel, 1 to 16, and its timbre: 2=flute")
    return int(channel), timbre


def _play(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.cli.progress import long_progress
    from nsynth_vae.instruments.midi import DRUM_CHANNEL, read_midi
    from nsynth_vae.instruments.performance import play
    from nsynth_vae.notes import plural

    _check_output(options.output, options.melody)
    channels = dict(options.channel)
    if len(channels) < len(options.channel):
        raise InputError("--channel: found a channel twice, expected one timbre for each")
    if not (options.timbre or channels or options.programs):
        raise InputError("--timbre: found none, expected --timbre, --channel or --programs")
    melody = read_midi(options.melody, drums=DRUM_CHANNEL in channels)
    if melody.warnings:
        more = f"; and {len(melody.warnings) - 5} more" if len(melody.warnings) > 5 else ""
        print(f"warning: {options.melody} is damaged: {'; '.join(melody.warnings[:5])}{more}")
    lookup = open_lookup(options)
    with long_progress("Playing") as progress:
        done = play(
            lookup,
            melody,
            options.timbre,
            channels=channels,
            programs=options.programs,
            morph_to=options.morph_to,
            dynamics=options.dynamics,
            progress=progress,
        )
    cli.print_timbres(lookup.files.values())
    if done.skipped:
        print(f"skipped: {', '.join(done.skipped)}")
    done.save(options.output)
    silent = "" if done.audio.any() else ", all silent"
    lowered = f", lowered by {done.lowered_db:.1f} dB to peak at -1 dB" if done.lowered_db else ""
    seconds = len(done.audio) / done.config.sample_rate
    counts = f"{done.notes} {plural(done.notes, 'note')}, {done.decoded} decoded, {seconds:.1f} s{silent}"
    print(f"{options.melody}: {counts}{lowered} -> {options.output}")


def _check_output(output: pathlib.Path, melody: pathlib.Path) -> None:
    """Raise InputError if the sound cannot be written there, or would replace the melody."""
    from nsynth_vae.files import check_sound_file

    if output.exists() and melody.exists() and output.samefile(melody):
        raise InputError(f"{output}: is the melody, expected another file to write to")
    check_sound_file(output)


if __name__ == "__main__":
    sys.exit(main())
