"""`python -m nsynth_vae.instrument`: a timbre as a multisampled instrument that any sampler opens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.cli.types import names


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.instrument",
        "Samples a timbre at every third semitone and several velocities, and writes it as an instrument for samplers: "
        "16 kHz WAVs, looped where they sustain, and the file that maps them to all keys.",
    )
    parser.add_argument("timbre", metavar="TIMBRE", help=cli.TIMBRE)
    parser.add_argument(
        "--pitches",
        metavar="LOW-HIGH",
        type=cli.midi_range,
        default=(36, 84),
        help="MIDI pitches to sample; keys beyond are played by the nearest sample (default: 36-84)",
    )
    parser.add_argument(
        "--velocities",
        metavar="A,B",
        type=cli.midi_list,
        default=(50, 100, 127),
        help="MIDI velocities to sample; each is played for those nearest to it (default: 50,100,127)",
    )
    parser.add_argument(
        "--round-robin",
        metavar="N",
        type=cli.positive_int,
        default=1,
        help="takes of each note, which the sampler plays in turn; SoundFonts have one (default: 1)",
    )
    parser.add_argument(
        "--format",
        metavar="A,B",
        type=names,
        default=("sfz",),
        help="files for samplers: sfz, dspreset (DecentSampler), sf2 (SoundFont 2) (default: sfz)",
    )
    cli.add_take_options(parser)
    cli.add_folder_option(
        parser,
        "NAME.sfz, .dspreset or .sf2 (NAME is the folder's), samples, instrument.json and keyboard.png",
        picture=True,
    )
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_instrument, make_parser(), arguments, writes_folder=True)


def _instrument(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.instruments.sampled_instrument import STEP, check_formats, check_keys, make_instrument

    check_formats(options.format)
    check_keys(options.pitches, options.velocities, options.round_robin)
    lookup = open_lookup(options)
    instrument = make_instrument(
        lookup,
        options.timbre,
        pitches=options.pitches,
        velocities=options.velocities,
        round_robin=options.round_robin,
    )
    low, high = options.pitches
    cli.warn_of_silence(range(low, high + 1, STEP), instrument.config.sample_rate)
    cli.print_timbres(lookup.files.values())
    path = instrument.save(options.output, picture=options.picture, formats=options.format)
    looped = sum(sample.loop is not None for sample in instrument.samples)
    print(f"{instrument.timbre}: {len(instrument.samples)} samples, {looped} of them looped -> {path}")
    if options.round_robin > 1 and "sf2" in options.format:
        print("SoundFonts have no round robins: the .sf2 has the first take of each note")


if __name__ == "__main__":
    sys.exit(main())
