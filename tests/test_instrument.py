"""Tests of `instrument`, `multisample` and the formats: the files, and their sound in sfizz and rustysynth."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import struct
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
import soundfile
import soxr
import timbres
from scipy.signal import butter, sosfilt

from nsynth_vae import instrument, timbre_model
from nsynth_vae.errors import InputError
from nsynth_vae.instruments import crossfade, multisample, sampled_instrument, sfz
from nsynth_vae.instruments.sampled_instrument import Instrument
from nsynth_vae.latent.lookup import TimbreLookup

CONFIG = timbres.AUDIO
RATE = CONFIG.sample_rate
KEYS = (48, 51, 54)


def make_note(pitch: int, *, slope: float = 0.0, cents: float = 0.0, seed: int = 0, peak: float = 0.3) -> np.ndarray:
    """Return a note of ten harmonics at most and some noise: 50 ms of attack, `slope` dB a second, released at 3 s."""
    seconds = np.arange(CONFIG.num_samples) / RATE
    rng = np.random.default_rng([pitch, seed])
    hertz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
    sound = sum(np.sin(2 * np.pi * (k * hertz * seconds + rng.random())) / k for k in range(1, 11) if k * hertz < 7500)
    sound = sound + 0.01 * rng.normal(size=seconds.size)
    decibels = slope * seconds - 150 * np.maximum(seconds - 3, 0)
    sound = sound * np.minimum(seconds / 0.05, 1) * 10 ** (decibels / 20)
    return peak * sound / np.abs(sound).max()


def make_instrument(notes: list[np.ndarray], places: list[tuple[int, int]]) -> Instrument:
    log_mels = np.zeros([len({pitch for pitch, _ in places}), CONFIG.num_frames, CONFIG.num_mel_bins], np.float32)
    samples = multisample.sample_notes(np.stack(notes), places)
    return Instrument(
        model="toy", config=CONFIG, timbre="a\ntone", z=np.zeros(3, np.float32), samples=samples, log_mels=log_mels
    )


def clicks(sound: np.ndarray, first: float, last: float) -> float:
    """Return the peak between two times above the harmonics, where there is only a little noise."""
    above = sosfilt(butter(8, 4000, "highpass", fs=RATE, output="sos"), sound)
    return float(np.abs(above[round(first * RATE) : round(last * RATE)]).max())


def read_chunks(path: pathlib.Path) -> dict[bytes, bytes]:
    data = path.read_bytes()
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    chunks, place = {}, 12
    while place < len(data):
        name, size = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])[0]
        chunks[name] = data[place + 8 : place + 8 + size]
        place += 8 + size
    return chunks


def test_ranges_cover_all_numbers_and_go_to_the_nearest():
    assert multisample.nearest_ranges([60]) == [(0, 127)]
    assert multisample.nearest_ranges([36, 39, 42]) == [(0, 37), (38, 40), (41, 127)]
    assert multisample.nearest_ranges([50, 100, 127], 1) == [(1, 75), (76, 113), (114, 127)]
    for low, high in multisample.nearest_ranges(range(36, 85, 3))[1:-1]:
        assert high - low == 2


def test_a_wav_says_its_key_and_its_loop(tmp_path):
    audio = np.sin(np.arange(1000)) * 0.9
    (tmp_path / "a.wav").write_bytes(sfz.wav_bytes(audio, RATE, pitch=61, loop=(100, 899)))
    read, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(read, audio, atol=1e-4)
    fields = struct.unpack("<15I", read_chunks(tmp_path / "a.wav")[b"smpl"])
    assert fields[2:4] == (62500, 61)
    assert fields[7] == 1
    assert fields[9:] == (0, 0, 100, 899, 0, 0)
    (tmp_path / "b.wav").write_bytes(sfz.wav_bytes(np.array([2.0, -2.0]), RATE, pitch=61))
    assert read_chunks(tmp_path / "b.wav")[b"data"] == struct.pack("<2h", 32767, -32767)
    assert struct.unpack("<9I", read_chunks(tmp_path / "b.wav")[b"smpl"])[7] == 0


def test_detuning_is_estimated_to_a_cent():
    for pitch, cents in ((33, -20.0), (48, 7.0), (60, 0.0), (84, -3.0), (96, 40.0)):
        assert multisample.detuning_cents(make_note(pitch, cents=cents), pitch) == pytest.approx(cents, abs=1.0)
    # A pitch, but not the target; and none.
    assert multisample.detuning_cents(make_note(60, cents=80.0), 60) is None
    assert multisample.detuning_cents(np.random.default_rng(0).normal(size=CONFIG.num_samples) * 0.1, 60) is None


def test_a_struck_note_is_tuned_where_it_is_loud():
    seconds = np.arange(CONFIG.num_samples) / RATE
    # From 10 cents sharp to 30 flat within 3 s, while it falls by 90 dB.
    cents = 10 - 40 * seconds / 3
    phase = np.cumsum(220 * 2 ** (cents / 1200)) / RATE
    note = np.sin(2 * np.pi * phase) * 10 ** (-30 * seconds / 20)
    assert multisample.detuning_cents(note, 57) == pytest.approx(10 - 40 * 0.6 / 3, abs=6.0)


def test_sustained_notes_are_looped_and_others_ring_out():
    notes = [make_note(60), make_note(63, slope=-10.0), make_note(66, slope=-60.0)]
    looped, decaying, over = multisample.sample_notes(np.stack(notes), [(60, 100), (63, 100), (66, 100)])
    assert [one.kind for one in (looped, decaying, over)] == ["sustained", "decaying", "over"]
    first, last = looped.loop
    assert len(looped.audio) == last + 1 + multisample.GUARD
    assert last - first >= 0.4 * RATE
    np.testing.assert_array_equal(looped.audio[last + 1 :], looped.audio[first : first + multisample.GUARD])
    assert decaying.loop is None
    assert len(decaying.audio) / RATE == pytest.approx(7.0, abs=0.4)
    assert over.loop is None
    assert len(over.audio) == CONFIG.num_samples
    assert looped.release_seconds == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("slope", [0.0, 2.0, -2.0])
def test_a_loop_is_seamless_where_a_sampler_just_repeats_it(slope):
    """Unlike sfizz, which cross-fades a millisecond."""
    (sample,) = multisample.sample_notes(make_note(48, slope=slope)[None], [(48, 100)])
    first, last = sample.loop

    def repeated(start: int) -> np.ndarray:
        return np.concatenate([sample.audio[: last + 1], *[sample.audio[start : last + 1]] * 3])

    sound = repeated(first)
    seconds = len(sound) / RATE
    assert clicks(sound, 2.0, seconds) < 1.5 * clicks(sound, 1.0, 2.0)
    assert clicks(repeated(first + 20), 2.0, seconds) > 5 * clicks(sound, 1.0, 2.0)
    assert np.ptp(crossfade.levels(sound, 1600)[first + 1600 : -1600]) < 0.3


def test_velocities_have_one_mean_level_and_the_loudest_sample_peaks_at_1_db():
    places = [(pitch, velocity) for pitch in (60, 63) for velocity in (50, 127)]
    notes = [make_note(pitch, peak=0.1 * (velocity / 127) * (pitch - 58)) for pitch, velocity in places]
    samples = multisample.sample_notes(np.stack(notes), places)
    level = {place: crossfade.rms(one.audio[:48000]) for place, one in zip(places, samples, strict=True)}
    for pitch in (60, 63):
        assert level[pitch, 50] == pytest.approx(level[pitch, 127], rel=1e-3)
    # Keys keep their levels.
    decoded = [crossfade.rms(note[:48000]) for note in notes]
    assert level[63, 127] / level[60, 127] == pytest.approx(decoded[3] / decoded[1], rel=1e-3)
    assert decoded[3] / decoded[2] > 2
    assert max(np.abs(one.audio).max() for one in samples) == pytest.approx(10 ** (-1 / 20))
    silent = multisample.sample_notes(np.zeros([1, CONFIG.num_samples]), [(60, 100)])
    assert not silent[0].audio.any()
    assert silent[0].cents is None


def test_the_files_say_the_same(tmp_path):
    places = [(pitch, velocity) for pitch in KEYS for velocity in (64, 127)]
    notes = [make_note(pitch, slope=-9.0 * (pitch == 54), cents=12.3) for pitch, _ in places]
    path = make_instrument(notes, places).save(tmp_path / "my tones")
    assert path == tmp_path / "my tones" / "my_tones.sfz"
    text = path.read_text()
    assert text.startswith("// my_tones: a tone\n")
    record = json.loads((tmp_path / "my tones" / "instrument.json").read_text())
    assert record["timbre"] == "a\ntone"
    assert len(record["samples"]) == 6
    lines = [line for line in text.splitlines() if line.startswith("<region>")]
    for line, sample in zip(lines, record["samples"], strict=True):
        opcodes = dict(part.split("=") for part in line.split()[1:])
        assert opcodes["sample"] == sample["file"]
        assert opcodes["tune"] == "-12" == str(sample["cents"])
        assert [opcodes[name] for name in ("lokey", "hikey")] == [str(key) for key in sample["keys"]]
        assert [opcodes[name] for name in ("lovel", "hivel")] == [str(one) for one in sample["velocities"]]
        chunk = read_chunks(path.parent / sample["file"])[b"smpl"]
        if sample["pitch"] == 54:
            assert opcodes["loop_mode"] == "no_loop"
            assert sample["loop"] is None
            assert len(chunk) == 36
        else:
            assert [int(opcodes["loop_start"]), int(opcodes["loop_end"])] == sample["loop"]
            assert list(struct.unpack("<2I", chunk[44:52])) == sample["loop"]
    assert record["samples"][2]["file"] == "samples/my_tones-051-064.wav"
    assert record["samples"][2]["keys"] == [50, 52]
    assert record["samples"][2]["velocities"] == [0, 95]
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "instrument.json",
        "keyboard.png",
        "my_tones.sfz",
        "samples",
    ]
    # Again, with fewer keys: no sample of the former run is left.
    make_instrument(notes[:2], places[:2]).save(tmp_path / "my tones")
    assert len(list((path.parent / "samples").iterdir())) == 2


def test_audio_is_a_row_for_each_key_of_the_highest_velocity():
    keys = [(pitch, velocity) for pitch in (60, 63) for velocity in (50, 127)]
    notes = [make_note(pitch, slope=-60.0 * (pitch == 63)) for pitch, _ in keys]
    instrument = make_instrument(notes, keys)
    assert instrument.keys == [60, 63]
    assert instrument.velocities == [50, 127]
    assert instrument.audio.dtype == np.float32
    assert instrument.audio.shape == (2, CONFIG.num_samples)
    for row, sample in zip(instrument.audio, instrument.samples[1::2], strict=True):
        length = min(len(row), len(sample.audio))
        np.testing.assert_array_equal(row[:length], sample.audio[:length].astype(np.float32))
        assert not row[length:].any()
    assert "data:audio/wav;base64," in instrument._repr_html_()


class Sampler:
    """sfizz with an instrument."""

    def __init__(self, path: pathlib.Path) -> None:
        """Loads the SFZ file."""
        self.synth = pytest.importorskip("pysfizz").Synth(sample_rate=RATE, block_size=256)
        assert self.synth.load_sfz_file(path)

    def play(self, key: int, velocity: int, sustained: float, seconds: float) -> np.ndarray:
        """Return a key's sound, float `[samples]`."""
        return self.synth.render_note(key, velocity, sustained, seconds).mean(axis=0)

    def voices(self, key: int, velocity: int) -> int:
        """Return the number of regions that sound when a key is pressed."""
        synth = self.synth._synth
        synth.note_on(0, key, velocity)
        synth.render_block()
        voices = synth.get_num_active_voices()
        self.synth.render_note(key, velocity, 0.01, 3.0)
        return voices


@pytest.fixture(scope="module", params=[0.0, 1.5, -10.0, -60.0], ids=["steady", "swelling", "plucked", "struck"])
def sampled(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Instrument, Sampler, float]:
    places = [(pitch, velocity) for pitch in KEYS for velocity in (64, 127)]
    notes = [make_note(pitch, slope=request.param, cents=pitch - 40, seed=velocity) for pitch, velocity in places]
    made = make_instrument(notes, places)
    return made, Sampler(made.save(tmp_path_factory.mktemp("sampled") / "tone")), request.param


@pytest.mark.tools
def test_a_sampler_plays_every_key_and_velocity_by_one_region(sampled):
    made, sampler, _ = sampled
    assert sampler.synth.playable_keys == list(range(128))
    for key in (0, 49, 50, 52, 53, 127):
        regions = sampler.synth.get_note_info(key)
        nearest = min(KEYS, key=lambda pitch: abs(pitch - key))
        assert {one["pitch_keycenter"] for one in regions} == {nearest}
    for velocity in (1, 64, 95, 96, 127):
        assert sampler.voices(50, velocity) == 1
    for number, sample in enumerate(made.samples):
        if sample.loop:
            region = sampler.synth._synth.get_region_data(number)
            assert (region["loop_start"], region["loop_end"]) == sample.loop


@pytest.mark.tools
def test_a_sampler_plays_in_tune(sampled):
    _, sampler, slope = sampled
    for key, velocity in ((47, 20), (48, 127), (49, 100), (52, 20), (55, 127)):
        off = multisample.detuning_cents(sampler.play(key, velocity, 3.0, 4.0), key)
        # Struck notes are too short for an estimate to a cent.
        assert off == pytest.approx(0.0, abs=10.0 if slope == -60.0 else 2.0)


@pytest.mark.tools
@pytest.mark.parametrize("pitch", KEYS)
def test_a_note_sustained_for_10_s_has_no_click_and_no_jump(sampled, pitch):
    made, sampler, slope = sampled
    sound = sampler.play(pitch, 100, 10.0, 13.0)
    level = crossfade.levels(sound, 1600)
    sample = next(one for one in made.samples if (one.pitch, one.velocity) == (pitch, 127))
    if sample.loop:
        # sfizz is a few samples late; the window around a joint is wider.
        joints = np.arange(sample.loop[0], 9.8 * RATE, sample.loop[1] - sample.loop[0] + 1).astype(int)
        assert len(joints) >= 3
        around = np.array([level[joint - 1600 : joint + 1600] for joint in joints])
        assert np.ptp(around, axis=1).max() < 1.0
        assert np.ptp(level[round(3.5 * RATE) : round(9.8 * RATE)]) < 1.0
        assert clicks(sound, 2.5, 9.9) < 1.5 * clicks(sound, 1.0, 2.5)
    else:
        # Falling all the way: in every half second by its own slope, to silence.
        falls = level[RATE : 6 * RATE : RATE // 2] if slope == -10.0 else level[RATE // 4 : RATE : RATE // 8]
        expected = slope / 2 if slope == -10.0 else slope / 8
        np.testing.assert_allclose(np.diff(falls), expected, atol=1.0)
        assert level[round(9.5 * RATE)] < level.max() - 60
    # 150 dB a second.
    released = level[10 * RATE - 1600]
    assert level[10 * RATE + RATE // 2] < released - 60 or level[10 * RATE + RATE // 2] < -120
    if sample.loop:
        assert level[10 * RATE + RATE // 5] == pytest.approx(released - 30, abs=6.0)


@pytest.fixture(scope="module")
def in_all_formats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Instrument, pathlib.Path]:
    """Return an instrument of a steady key, a plucked and a struck one, and the folder of its files."""
    places = [(pitch, velocity) for pitch in KEYS for velocity in (64, 127)]
    slopes = dict(zip(KEYS, (0.0, -10.0, -60.0), strict=True))
    notes = [make_note(pitch, slope=slopes[pitch], cents=pitch - 40, seed=velocity) for pitch, velocity in places]
    made = make_instrument(notes, places)
    folder = tmp_path_factory.mktemp("formats") / "tone"
    assert made.save(folder, picture=False, formats=("dspreset", "sf2", "sfz")) == folder / "tone.dspreset"
    return made, folder


def test_formats_are_files_of_one_instrument(in_all_formats, tmp_path):
    made, folder = in_all_formats
    names = {"tone.dspreset", "tone.sf2", "tone.sfz", "samples", "instrument.json"}
    assert {path.name for path in folder.iterdir()} == names
    made.save(tmp_path / "tone", picture=False)
    assert (tmp_path / "tone" / "tone.sfz").read_bytes() == (folder / "tone.sfz").read_bytes()
    # Again, in another format: the former file is gone.
    assert (
        made.save(tmp_path / "tone", picture=False, formats=["sf2"]).read_bytes() == (folder / "tone.sf2").read_bytes()
    )
    assert not (tmp_path / "tone" / "tone.sfz").exists()
    for formats, found in ((("sfz", "kontakt"), "'kontakt'"), ((), "none")):
        with pytest.raises(InputError, match=f"--format: found {found}, expected some of sfz, dspreset, sf2"):
            made.save(tmp_path / "other", formats=formats)
    assert [path.name for path in tmp_path.iterdir()] == ["tone"]


def test_a_decentsampler_preset_maps_the_samples(in_all_formats):
    """By the attributes that the DecentSampler Developers Guide documents."""
    made, folder = in_all_formats
    root = ElementTree.parse(folder / "tone.dspreset").getroot()
    assert root.tag == "DecentSampler"
    ((group,),) = root.findall("groups")
    assert group.tag == "group"
    assert group.attrib["ampVelTrack"] == "1"
    for sample, region in zip(group.findall("sample"), made.regions("tone"), strict=True):
        values = sample.attrib
        assert soundfile.info(folder / values["path"]).frames == len(region.sample.audio)
        assert int(values["rootNote"]) == region.sample.pitch
        assert (int(values["loNote"]), int(values["hiNote"])) == region.keys
        assert (int(values["loVel"]), int(values["hiVel"])) == region.velocities
        assert float(values["tuning"]) == pytest.approx(-region.sample.cents / 100, abs=0.006)
        assert float(values["release"]) == pytest.approx(region.sample.release_seconds, abs=1e-3)
        loop = ("loopStart", "loopEnd", "loopCrossfade")
        if region.sample.loop:
            assert (values["loopEnabled"], *(int(values[name]) for name in loop)) == ("true", *region.sample.loop, 0)
        else:
            assert values["loopEnabled"] == "false"
            assert not set(loop) & set(values)
    covered = [
        (key, velocity)
        for sample in group
        for key in range(int(sample.attrib["loNote"]), int(sample.attrib["hiNote"]) + 1)
        for velocity in range(int(sample.attrib["loVel"]), int(sample.attrib["hiVel"]) + 1)
    ]
    assert sorted(covered) == [(key, velocity) for key in range(128) for velocity in range(128)]


def test_names_of_any_characters_are_written(tmp_path):
    for name in ('"a -- b---c.wav" & <d>', "\x01\udce9\u2028ö"):
        made = make_instrument([make_note(60)], [(60, 100)])
        path = dataclasses.replace(made, timbre=name).save(tmp_path, picture=False, formats=sampled_instrument.FORMATS)
        assert path.read_text(encoding="utf-8").count("\n") > 5
        root = ElementTree.parse(path.with_suffix(".dspreset")).getroot()
        assert len(root.findall("groups/group/sample")) == 1


def test_a_soundfont_has_the_samples_and_their_zones(in_all_formats):
    made, folder = in_all_formats
    data = (folder / "tone.sf2").read_bytes()
    chunks: dict[bytes, bytes] = {}
    assert (data[:4], data[8:12]) == (b"RIFF", b"sfbk")
    place = 12
    while place < len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        assert size % 2 == 0
        if name == b"LIST":
            place += 12
            continue
        chunks[name] = data[place + 8 : place + 8 + size]
        place += 8 + size
    assert place == len(data)
    assert struct.unpack("<2H", chunks[b"ifil"]) == (2, 1)
    audio = np.frombuffer(chunks[b"smpl"], "<i2") / 32767
    headers = list(struct.iter_unpack("<20s5IBbHH", chunks[b"shdr"]))
    bags = [first for first, _ in struct.iter_unpack("<2H", chunks[b"ibag"])]
    generators = list(struct.iter_unpack("<2H", chunks[b"igen"]))
    assert len(headers) == len(bags) == len(made.samples) + 1
    assert bags[-1] == len(generators) - 1
    for number, region in enumerate(made.regions("tone")):
        _, start, end, first, last, rate, pitch, correction, _, kind = headers[number]
        assert (rate, pitch, correction, kind) == (RATE, region.sample.pitch, 0, 1)
        np.testing.assert_allclose(audio[start:end], region.sample.audio, atol=1e-4)
        assert not audio[end : end + 46].any()
        zone = generators[bags[number] : bags[number + 1]]
        assert [one for one, _ in zone[:2]] == [43, 44]
        assert zone[-1] == (53, number)
        values = dict(zone)
        assert (values[43] & 255, values[43] >> 8, values[44] & 255, values[44] >> 8) == (
            *region.keys,
            *region.velocities,
        )
        assert struct.unpack("<h", struct.pack("<H", values[52]))[0] == region.cents
        release = 2 ** (struct.unpack("<h", struct.pack("<H", values[38]))[0] / 1200)
        assert release == pytest.approx(region.sample.release_seconds * 100 / 60, rel=1e-3)
        if region.sample.loop:
            assert values[54] == 1
            assert (first - start, last - start - 1) == region.sample.loop
        else:
            assert values[54] == 0


def render_soundfont(path: pathlib.Path, key: int, velocity: int, sustained: float, seconds: float) -> np.ndarray:
    """Return a key's sound, float `[samples]`, by rustysynth."""
    ticks = mido.MidiTrack(
        [
            mido.Message("note_on", note=key, velocity=velocity),
            mido.Message("note_off", note=key, time=round(960 * sustained)),
            mido.Message("control_change", control=20, time=round(960 * (seconds - sustained))),
        ]
    )
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=480, tracks=[ticks]).save(file=buffer)
    renderer = pytest.importorskip("midirenderer")
    audio, rate = soundfile.read(io.BytesIO(renderer.render_wave_from(path.read_bytes(), buffer.getvalue())))
    return soxr.resample(audio.mean(axis=1), rate, RATE)


@pytest.mark.tools
def test_a_synthesizer_plays_the_soundfont_in_tune_and_sustains_it(in_all_formats):
    _, folder = in_all_formats
    for key, velocity, within in ((47, 127, 2.0), (49, 20, 2.0), (51, 100, 2.0), (55, 127, 10.0)):
        sound = render_soundfont(folder / "tone.sf2", key, velocity, 4.0, 5.0)
        assert multisample.detuning_cents(sound[: 4 * RATE], key) == pytest.approx(0.0, abs=within)
    sound = render_soundfont(folder / "tone.sf2", 48, 100, 8.0, 10.0)
    level = crossfade.levels(sound, 1600)
    assert np.ptp(level[RATE : round(7.9 * RATE)]) < 1.0
    assert level[9 * RATE] < level[7 * RATE] - 50
    loud, soft = (crossfade.rms(render_soundfont(folder / "tone.sf2", 48, v, 1.0, 1.2)[:RATE]) for v in (126, 100))
    assert 20 * np.log10(loud / soft) == pytest.approx(40 * np.log10(126 / 100), abs=0.1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options for a small model, exported, that knows a few names."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("instrument"))
    return ["--model", str(folder), "--exports", str(exports)]


def test_the_command_samples_every_third_key(model, tmp_path, capsys):
    output = tmp_path / "flutes"
    options = ["--pitches", "60-66", "--velocities", "100,40", *model, "-o", str(output)]
    assert instrument.main(["0.5*flute + 0.5*guitar", *options]) == 0
    assert f"0.5*flute + 0.5*guitar: 6 samples, 6 of them looped -> {output / 'flutes.sfz'}" in capsys.readouterr().out
    record = json.loads((output / "instrument.json").read_text())
    places = [(one["pitch"], one["velocity"]) for one in record["samples"]]
    assert places == [(pitch, velocity) for pitch in (60, 63, 66) for velocity in (40, 100)]
    for one in record["samples"]:
        audio, rate = soundfile.read(output / one["file"])
        assert rate == RATE
        assert 1e-3 < np.abs(audio).max() <= 10 ** (-1 / 20)
    lookup = TimbreLookup(timbre_model.open_model(model[1], model[3]))
    expected = sampled_instrument.make_instrument(
        lookup, "0.5*flute + 0.5*guitar", pitches=(60, 66), velocities=[40, 100, 40]
    )
    np.testing.assert_allclose(record["z"], expected.z, atol=1e-5)
    # Keys above half the sample rate are left to the sample below.
    highest = sampled_instrument.make_instrument(lookup, "flute", pitches=(118, 127), velocities=[100])
    assert (highest.keys, highest.regions("a")[0].keys[1]) == ([118], 127)
    decoded = lookup.model.decode(expected.z[None], 66, 100)
    np.testing.assert_allclose(expected.log_mels[2], decoded.log_mel[0], atol=1e-4)
    audio, note = expected.samples[-1].audio[:RATE], decoded.audio[0, :RATE]
    np.testing.assert_allclose(audio / np.abs(audio).max(), note / np.abs(note).max(), atol=1e-3)


def test_what_is_wrong_is_named_and_nothing_is_left(model, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = str(tmp_path / "new")
    for arguments, message in (
        (["nothing", "-o", output], "'nothing'"),
        (["flute", "--pitches", "70-60", "-o", output], "--pitches: found 70-60, expected LOW-HIGH"),
        (["flute", "--pitches", "0-127", "--velocities", ",".join(map(str, range(128))), "-o", output], "5504 samples"),
        (["flute", "-o", str(tmp_path / "file")], "file is no folder"),
        (["flute", "--format", "sfz,nki", "-o", output], "--format: found 'nki', expected some of sfz, dspreset, sf2"),
    ):
        assert instrument.main([*arguments, *model]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    for option, value in (("--pitches", "60-128"), ("--pitches", "H4"), ("--velocities", "")):
        with pytest.raises(SystemExit, match="2"):
            instrument.main(["flute", option, value, "-o", output, *model])
        assert "expected a MIDI number, 0 to 127" in capsys.readouterr().err
    lookup = timbres.named_lookup()
    with pytest.raises(InputError, match="--velocities: found none"):
        sampled_instrument.make_instrument(lookup, "flute", velocities=())
    with pytest.raises(InputError, match="--pitches: found 120-127, expected a lowest of 119 at most, B8: higher ones"):
        sampled_instrument.make_instrument(lookup, "flute", pitches=(120, 127))
    with pytest.raises(InputError, match="--pitches: found 128, expected a MIDI number"):
        sampled_instrument.make_instrument(lookup, "flute", pitches=(0, 128))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
