"""Tests of the pad's own logic in Node.js: against the Python implementation, on the same numbers."""

from __future__ import annotations

import base64
import io
import itertools
import zipfile

import numpy as np
import pytest
import soundfile
import timbres
from web import javascript
from web.javascript import pack, run, unpack

from nsynth_vae import latent
from nsynth_vae.analysis import recordings
from nsynth_vae.analysis.sound_files import check_audio, cut_note, resample
from nsynth_vae.api import load_model
from nsynth_vae.errors import InputError
from nsynth_vae.instruments import crossfade, multisample, sfz, sustain_loop, voice
from nsynth_vae.latent.expression import evaluate
from nsynth_vae.rendering import brightness_equalizer, pad_page

pytestmark = [pytest.mark.player, javascript.needs_node]

RATE = 16000
CONFIG = timbres.AUDIO


@pytest.fixture(scope="module")
def notes() -> dict[str, tuple[int, np.ndarray]]:
    """Return decoded notes: pitch and audio, of kinds that are sustained, that decay, and that are over."""
    model = load_model()
    names = [("flute", 60), ("guitar", 45), ("organ", 72), ("mallet", 84)]
    z = np.stack([model.lookup.timbre(name).z for name, _ in names])
    audio = model.decode(z, np.array([pitch for _, pitch in names]), 100).audio
    return {name: (pitch, note) for (name, pitch), note in zip(names, audio, strict=True)}


@pytest.fixture(scope="module")
def data() -> dict:
    lookup = load_model().lookup
    return pad_page.data(lookup, pad_page.find_corners(lookup, []))


def test_a_place_of_the_pad_is_that_of_the_grid():
    corners = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    steps = 5
    code = "return given.places.map(([x, y]) => latent.bilinear(given.corners, x, y));"
    places = [[column / (steps - 1), row / (steps - 1)] for row in range(steps) for column in range(steps)]
    found = np.array(run(code, {"corners": corners.tolist(), "places": places}, "latent"))
    np.testing.assert_allclose(found, latent.grid(corners, steps, steps).reshape(-1, 16), atol=1e-6)
    for place, corner in ((0, 0), (steps - 1, 1), (-steps, 2), (-1, 3)):
        np.testing.assert_array_equal(found[place], corners[corner])
    middle = found[len(found) // 2]
    np.testing.assert_allclose(middle, corners.mean(axis=0), atol=1e-6)


def test_weights_of_the_corners_are_those_of_the_grid():
    found = run("return [[0.25, 0.75], [1, 0], [0, 1]].map(([x, y]) => latent.cornerWeights(x, y));", None, "latent")
    np.testing.assert_allclose(found, [[0.1875, 0.0625, 0.5625, 0.1875], [0, 1, 0, 0], [0, 0, 1, 0]])


def test_samples_have_the_mean_and_spread_of_the_mixture():
    mixture = {
        "weights": [0.25, 0.75],
        "means": [[0.0, 4.0], [10.0, -4.0]],
        "standard_deviations": [[1.0, 0.5], [2.0, 0.1]],
    }
    code = "const random = latent.seeded(5); return Array.from({length: 20000}, () => latent.sample(given, random));"
    found = np.array(run(code, mixture, "latent"))
    first = found[:, 1] > 0
    assert abs(first.mean() - 0.25) < 0.01
    np.testing.assert_allclose(found[first].mean(axis=0), [0, 4], atol=0.05)
    np.testing.assert_allclose(found[~first].std(axis=0), [2, 0.1], rtol=0.05)
    assert run(code, mixture, "latent") == found.tolist()


@pytest.mark.parametrize("kind", ["flute", "guitar", "organ", "mallet"])
def test_loops_are_those_of_sustain_loop(notes, kind):
    pitch, audio = notes[kind]
    code = "return sustain_loop.findLoop(floats(given.audio), given.pitch, 16000);"
    found = run(code, {"audio": pack(audio), "pitch": pitch}, "sustain_loop")
    loop = sustain_loop.find_loop(audio, pitch)
    assert (found["kind"], found["start"], found["end"]) == (loop.kind, loop.start, loop.end)
    assert found["slope"] == pytest.approx(loop.slope, abs=1e-6)


@pytest.mark.parametrize("kind", ["flute", "guitar"])
def test_the_parts_that_a_voice_plays_are_those_of_split_loop(notes, kind):
    pitch, audio = notes[kind]
    code = """
        const loop = sustain_loop.findLoop(floats(given.audio), given.pitch, 16000);
        const found = sustain_loop.playable(floats(given.audio), given.pitch, loop, 16000);
        const { once, repeated, tail } = found;
        return { ...found, once: packed(once), repeated: packed(repeated), tail: packed(tail) };"""
    found = run(code, {"audio": pack(audio), "pitch": pitch}, "sustain_loop")
    loop = sustain_loop.find_loop(audio, pitch)
    once, repeated = sustain_loop.split_loop(audio.astype(np.float64), loop)
    np.testing.assert_allclose(unpack(found["once"]), once, atol=1e-6)
    np.testing.assert_allclose(unpack(found["repeated"]), repeated, atol=1e-6)
    assert found["decay"] == pytest.approx(loop.decay if loop.kind == "decaying" else 0.0)
    tail = unpack(found["tail"])
    assert len(tail) <= 0.95 * RATE
    assert 20 * np.log10(crossfade.rms(tail[-400:]) / found["tailLevel"]) < -60


def test_a_note_that_has_died_away_has_no_loop():
    seconds = np.arange(64000) / RATE
    audio = 0.5 * np.sin(2 * np.pi * 440 * seconds) * 10 ** (-40 * seconds / 20)
    code = "return sustain_loop.findLoop(floats(given), 69, 16000);"
    assert run(code, pack(audio), "sustain_loop")["kind"] == sustain_loop.find_loop(audio, 69).kind == "over"


def test_the_equaliser_is_that_of_interpolate(notes):
    (_, one), (_, other) = notes["flute"], notes["guitar"]
    between = 0.5 * (one + other).astype(np.float32)
    # The target of a pad's place, as of one in a grid: the weighted geometric mean of the corners'.
    weights = np.array([[1, 0, 0], [0.4, 0.6, 0], [0, 1, 0], [0, 0, 1]])
    sounds = np.stack([one, between, other, one])
    expected, equalizers = brightness_equalizer.equalize(sounds, weights, RATE)
    code = """
        const [one, between, other] = given.map(floats);
        const ends = [one, other].map((end) => equalizer.logMoments(end, 16000));
        const target = [0, 1].map((index) => 0.4 * ends[0][index] + 0.6 * ends[1][index]);
        const found = equalizer.fit(between, target, 16000);
        return { ...found, audio: packed(equalizer.apply(between, found, 16000)) };"""
    found = run(code, [pack(sound) for sound in sounds[:3]], "equalizer")
    assert found["tilt"] == pytest.approx(equalizers[1].tilt, abs=1e-5)
    assert found["curvature"] == pytest.approx(equalizers[1].curvature, abs=1e-5)
    np.testing.assert_allclose(unpack(found["audio"]), expected[1], atol=2e-5)


def test_power_spectra_of_any_length():
    frame = np.random.default_rng(0).normal(size=1411)
    found = unpack(run("return packed(fft.power(floats(given)));", pack(frame), "fft"))
    np.testing.assert_allclose(found, np.abs(np.fft.rfft(frame)) ** 2, rtol=1e-9, atol=1e-9)


EXPRESSIONS = [
    "flute",
    "Violin + bright - dark",
    "0.7*flute + 0.3*guitar",
    "organ - 0.5*(acoustic - synth)",
    "-0.25*organ + 1.25*(0.5*brass + 0.5*reed)",
    "'flute' + 2*percussive",
    "piano - violin + flute",
]
WRONG = [
    "",
    "flute +",
    "2 + flute",
    "flute * guitar",
    "3",
    "(flute",
    "flute)",
    "flute + guitar",
    "flute - guitar",
    "'flute",
    "''",
    "flute ? guitar",
    "1e12*flute",
    "(" * 65 + "flute",
    "bright",
    "flute + multiphonic",
]


def test_expressions_are_those_of_the_lookup(data):
    lookup = load_model().lookup
    code = """
        const known = new names.Names(given.data);
        return given.texts.map((text) => expression.evaluate(text, known));"""
    found = run(code, {"texts": EXPRESSIONS, "data": data}, "expression", "names")
    expected = np.stack([evaluate(text, lookup).z for text in EXPRESSIONS])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_errors_of_expressions_are_those_of_the_lookup(data):
    lookup = load_model().lookup
    code = """
        const known = new names.Names(given.data);
        return given.texts.map((text) => {
          try { return expression.evaluate(text, known) && "no error"; } catch (error) { return error.message; }
        });"""
    found = run(code, {"texts": WRONG, "data": data}, "expression", "names")
    for text, message in zip(WRONG, found, strict=True):
        with pytest.raises(InputError) as error:
            evaluate(text, lookup)
        assert message.replace('"', "'") == str(error.value).replace('"', "'")


def test_an_unknown_name_is_answered_with_the_nearest(data):
    code = """
        try { return expression.evaluate("fluet", new names.Names(given)); } catch (error) { return error.message; }"""
    assert "nearest: flute" in run(code, data, "expression", "names")


def test_resampling_is_near_soxr():
    rng = np.random.default_rng(0)
    seconds = np.arange(44100) / 44100
    audio = sum(rng.normal() * np.sin(2 * np.pi * hertz * seconds) for hertz in (110, 440, 1250, 3300, 6600)) / 8
    audio = (audio + 0.1).astype(np.float32)
    for rate, error in (
        (48000, 2e-7),
        (32000, 2e-7),
        (24000, 2e-7),
        (8000, 2e-7),
        (44100, 1e-6),
        (22050, 1e-6),
        (96000, 2e-6),
        (88200, 5e-5),
    ):
        expected = resample(audio, rate, RATE)
        code = "return packed(interpolation.resample(floats(given.audio), given.rate, 16000));"
        found = unpack(run(code, {"audio": pack(audio), "rate": rate}, "interpolation"))
        assert len(found) == len(expected)
        np.testing.assert_allclose(found[400:-400], expected[400:-400], atol=error)
        # Both ends are continued alike: no step is there, which would be of 0.1.
        np.testing.assert_allclose(found, expected, atol=max(error, 1e-5))


def recording(kind: str) -> np.ndarray:
    """Return float32 `[samples, channels]` at 16 kHz."""
    rng = np.random.default_rng(1)
    seconds = np.arange(round(3.5 * RATE)) / RATE
    after = np.maximum(seconds - 0.7, 0)
    note = (after > 0) * np.exp(-2 * after) * sum(np.sin(2 * np.pi * k * 220 * after) / k for k in range(1, 8)) * 0.2
    if kind == "noise":
        note = note + 0.004 * rng.normal(size=note.size)
    elif kind in ("hum", "hum and offset"):
        note = (
            note
            + 0.01 * (kind != "hum")
            + 0.02 * np.sin(2 * np.pi * 50.13 * seconds)
            + 0.01 * np.sin(2 * np.pi * 150.39 * seconds + 1)
        )
    elif kind == "hum beneath the note":
        hum = sum(np.sin(2 * np.pi * 59.98 * k * seconds + k) / k for k in (1, 2, 3, 5))
        note = 0.1 * sum(np.sin(2 * np.pi * k * 220 * seconds) / k for k in range(1, 8)) + 0.01 * hum
    elif kind == "hiss before":
        note[:11200] += 0.01 * rng.normal(size=11200)
    elif kind == "offset":
        note = note + 0.05
    elif kind == "rumble":
        note = note + 0.02 * np.sin(2 * np.pi * 7 * seconds)
    elif kind == "drift":
        note = note + 0.02 * np.exp(-seconds)
    elif kind == "count-in":
        for beat in range(4):
            beep = slice(1600 + 2400 * beat, 2900 + 2400 * beat)
            note[beep] = 0.4 * np.sin(2 * np.pi * 880 * seconds[beep])
    elif kind == "clicks":
        note[2000:2010] = 0.2
    channels = [note, -note] if kind == "opposite" else [note, 0.5 * note] if kind == "stereo" else [note]
    return np.stack(channels, 1).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "stereo",
        "opposite",
        "offset",
        "rumble",
        "drift",
        "clicks",
        "count-in",
        "noise",
        "hum",
        "hum and offset",
        "hum beneath the note",
        "hiss before",
    ],
)
def test_recordings_are_prepared_as_encode_does(kind):
    channels = recording(kind)
    prepared = recordings.prepare(channels, RATE)
    note, problem = check_audio(cut_note(prepared.audio, prepared.onset, CONFIG), CONFIG)
    levelled, peak = recordings.set_level(note)
    code = """
        const channels = given.channels.map((channel) => Float32Array.from(floats(channel)));
        const { onset } = recording.prepare(channels, 16000);
        const found = sound_files.toNote(channels, 16000, { sample_rate: 16000, num_samples: 64000 });
        return { onset, audio: packed(found.audio), remarks: found.remarks };"""
    found = run(code, {"channels": [pack(channel) for channel in channels.T]}, "recording", "sound_files")
    assert not problem
    assert found["onset"] == prepared.onset
    assert tuple(found["remarks"]) == (*prepared.remarks, *recordings.level_remarks(peak))
    np.testing.assert_allclose(unpack(found["audio"]), levelled, atol=2e-4 if "hum" in kind else 2e-6)


def test_silence_is_no_note():
    code = (
        "return sound_files.toNote([new Float32Array(20000)], 16000, { sample_rate: 16000, num_samples: 64000 }).audio;"
    )
    assert run(code, None, "sound_files") is None


def test_the_rate_that_a_file_states():
    kinds = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}
    files = []
    for (kind, subtype), rate in itertools.product(kinds.items(), (44100, 48000, 22050)):
        buffer = io.BytesIO()
        soundfile.write(buffer, recording("plain"), rate, format=kind, subtype=subtype)
        files.append((rate, list(buffer.getvalue()[:5000])))
    code = "return given.map((file) => sound_files.sampleRateOf(Uint8Array.from(file)));"
    assert run(code, [file for _, file in files], "sound_files") == [rate for rate, _ in files]


def test_wav_files_of_any_precision_are_read_exactly():
    channels = recording("stereo")
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        for kind in ("WAV", "WAVEX"):
            buffer = io.BytesIO()
            soundfile.write(buffer, channels, 22050, format=kind, subtype=subtype)
            code = """
                const { channels, sampleRate } = wav.readWav(new Uint8Array(Buffer.from(given, "base64")));
                return { channels: channels.map(packed), sampleRate };"""
            found = run(code, base64.b64encode(buffer.getvalue()).decode(), "wav")
            buffer.seek(0)
            np.testing.assert_array_equal(
                np.stack([unpack(one) for one in found["channels"]], 1), soundfile.read(buffer, dtype="float32")[0]
            )
            assert found["sampleRate"] == 22050


def test_a_file_of_another_kind_states_no_rate():
    assert run("return sound_files.sampleRateOf(new Uint8Array(100));", None, "sound_files") is None


@pytest.mark.parametrize("loop", [None, (100, 900)])
def test_wav_files_are_those_of_the_instrument(loop):
    audio = np.random.default_rng(0).uniform(-1.2, 1.2, size=1000)
    given = {"audio": pack(audio), "loop": loop}
    code = "return [...wav.wavBytes(floats(given.audio), 16000, { pitch: 57, loop: given.loop })];"
    assert bytes(run(code, given, "wav")) == sfz.wav_bytes(audio, RATE, pitch=57, loop=loop)


def test_archives_are_read_by_zipfile():
    code = """
        const text = (value) => new TextEncoder().encode(value);
        return [...zip.zip({ "a/ü.txt": text("hello"), "b.bin": Uint8Array.from({ length: 1000 }, (_, i) => i) })];"""
    with zipfile.ZipFile(io.BytesIO(bytes(run(code, None, "zip")))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a/ü.txt", "b.bin"]
        assert archive.read("a/ü.txt") == b"hello"
        assert archive.read("b.bin") == bytes(i % 256 for i in range(1000))


def test_samples_of_an_instrument_are_those_of_multisample(notes):
    for name in ("flute", "guitar"):
        pitch, audio = notes[name]
        code = """
            const found = multisample.makeSample(Float32Array.from(floats(given.audio)), given.pitch, 100, 16000);
            return { ...found, audio: packed(found.audio) };"""
        found = run(code, {"audio": pack(audio), "pitch": pitch}, "multisample")
        loop = sustain_loop.find_loop(audio, pitch)
        assert found["kind"] == loop.kind
        assert found["cents"] == pytest.approx(multisample.detuning_cents(audio, pitch), abs=0.05)
        assert found["releaseSeconds"] == pytest.approx(voice.release_seconds(audio, pitch), abs=1e-3)
        (sample,) = multisample.sample_notes(audio[None], [(pitch, 100)])
        assert found["loop"] == (None if sample.loop is None else list(sample.loop))
        scale = np.abs(sample.audio).max() / np.abs(unpack(found["audio"])).max()
        np.testing.assert_allclose(scale * unpack(found["audio"]), sample.audio, atol=1e-5)


def test_the_sfz_file_is_that_of_the_instrument():
    samples = [
        multisample.Sample(
            pitch=pitch,
            velocity=velocity,
            take=0,
            audio=np.zeros(9),
            kind="sustained" if pitch == 48 else "decaying",
            loop=(3, 8) if pitch == 48 else None,
            cents=None if pitch == 51 else 12.5,
            release_seconds=0.7,
        )
        for pitch in (48, 51)
        for velocity in (50, 127)
    ]
    keys = dict(zip((48, 51), multisample.nearest_ranges((48, 51)), strict=True))
    velocities = dict(zip((50, 127), multisample.nearest_ranges((50, 127)), strict=True))
    regions = [
        multisample.Region(
            file=f"samples/x-{one.pitch:03}-{one.velocity:03}.wav",
            sample=one,
            keys=keys[one.pitch],
            velocities=velocities[one.velocity],
        )
        for one in samples
    ]
    given = [
        {key: getattr(one, key) for key in ("pitch", "velocity", "kind", "loop", "cents")}
        | {"audio": [], "releaseSeconds": one.release_seconds}
        for one in samples
    ]
    code = 'return multisample.formatSfz(multisample.regions(given, "x"), ["x: a tone"]);'
    assert run(code, given, "multisample") == sfz.format_sfz(regions, ["x: a tone"])


def test_a_fragment_restores_the_state_bit_for_bit():
    rng = np.random.default_rng(0)
    corners = [
        {"name": name, "z": rng.normal(size=16).astype(np.float32).tolist()} for name in ("flüte", "a", "b", "<c>")
    ]
    given = {"corners": corners, "x": 0.37, "y": 0.01, "directions": {"bright": -0.35}, "equalize": False, "octave": 36}
    code = "const fragment = state.toFragment(given); return [fragment, state.fromFragment(fragment, 16)];"
    fragment, found = run(code, given, "state")
    assert found == given
    assert set(fragment) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=")


@pytest.mark.parametrize("fragment", ["s=abc", "x", "s=" + "e30", "s=eyJjIjpbXX0"])
def test_a_fragment_of_something_else_is_an_error(fragment):
    code = "try { return state.fromFragment(given, 16); } catch (error) { return error.message; }"
    assert "expected one that Share has copied" in run(code, fragment, "state")


def midi(*messages: list[int]) -> list:
    code = """
        const said = [];
        const target = new Proxy({}, { get: (_, name) => (...values) => said.push([name, ...values]) });
        for (const message of given) midi.receive(message, target, { x: 1, y: 74 });
        return said;"""
    return run(code, messages, "midi")


def test_midi_messages():
    assert midi([0x90, 60, 100], [0x95, 61, 0], [0x83, 62, 40]) == [
        ["noteOn", 60, 100],
        ["noteOff", 61],
        ["noteOff", 62],
    ]
    assert midi([0xB0, 64, 127], [0xB0, 64, 63]) == [["setPedal", True], ["setPedal", False]]
    assert midi([0xE0, 0x7F, 0x7F], [0xE0, 0, 0], [0xE0, 0, 64]) == [
        ["setBend", 200],
        ["setBend", -200],
        ["setBend", 0],
    ]
    assert midi([0xB2, 1, 127], [0xB2, 74, 0]) == [["setAxis", "x", 1], ["setAxis", "y", 0]]
    assert midi([0xB0, 123, 0], [0xB0, 120, 0]) == [["allNotesOff"], ["panic"]]
    assert midi([0xB0, 99, 5], [0xC0, 3], [0xF8]) == []


SYNTH = """
    const synth_ = new synth.Synth(16000, given.rate);
    const render = (seconds) => {
      const parts = [];
      for (let left = Math.round(seconds * given.rate / 128); left > 0; left--) {
        const block = new Float32Array(128);
        synth_.process(block);
        parts.push(...block);
      }
      return parts;
    };
    const note = (pitch, audio) => {
      const loop = sustain_loop.findLoop(audio, pitch, 16000);
      return sustain_loop.playable(audio, pitch, loop, 16000);
    };
"""


def tone(pitch: int, level: float = 0.5, slope: float = 0.0) -> np.ndarray:
    """Return a note of a few harmonics: 10 ms of attack, released at 3 s."""
    seconds = np.arange(64000) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    sound = sum(np.sin(2 * np.pi * k * hertz * seconds) / k for k in range(1, 5) if k * hertz < 7500)
    decibels = slope * seconds - 60 * np.maximum(seconds - 2.97, 0)
    return level * np.minimum(seconds / 0.01, 1) * 10 ** (decibels / 20) * sound / np.abs(sound).max()


def cents(audio: np.ndarray, rate: int, pitch: float) -> float:
    """Return the deviation of the fundamental from a pitch, by the phase between two windows."""
    size = 1 << 15
    spectrum = np.abs(np.fft.rfft(audio[:size] * np.hanning(size), 8 * size))
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    low, high = (round(hertz * 2 ** (side / 12) * 8 * size / rate) for side in (-1, 1))
    return float(1200 * np.log2((low + spectrum[low:high].argmax()) * rate / (8 * size) / hertz))


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("pitch", [36, 60, 84])
def test_voices_are_in_tune_and_bend(rate, pitch):
    code = (
        SYNTH
        + """
        synth_.start(1, note(given.pitch, floats(given.audio)), given.pitch, 1);
        const straight = render(1.5);
        synth_.bend = 200;
        render(0.1);
        return { straight: packed(straight), bent: packed(render(1.2)) };"""
    )
    given = {"rate": rate, "pitch": pitch, "audio": pack(tone(pitch))}
    found = run(code, given, "synth", "sustain_loop")
    assert abs(cents(unpack(found["straight"])[rate // 4 :], rate, pitch)) < 1
    assert abs(cents(unpack(found["bent"]), rate, pitch + 2)) < 3


def test_a_stand_in_of_another_pitch_is_transposed():
    code = SYNTH + "synth_.start(1, note(62, floats(given.audio)), 60, 1); return packed(render(1.5));"
    found = unpack(run(code, {"rate": 48000, "audio": pack(tone(62))}, "synth", "sustain_loop"))
    assert abs(cents(found[9600:], 48000, 60)) < 1


def test_a_held_note_sounds_on_without_a_click_and_its_release_is_silent_within_a_second():
    code = (
        SYNTH
        + """
        synth_.start(1, note(60, floats(given.audio)), 60, 1);
        const held = render(8);
        synth_.release(1);
        return { held: packed(held), released: packed(render(1.2)), voices: synth_.voices.length };"""
    )
    found = run(code, {"rate": 48000, "audio": pack(tone(60))}, "synth", "sustain_loop")
    held, released = unpack(found["held"]), unpack(found["released"])
    level = np.sqrt(np.mean(held.reshape(-1, 4800) ** 2, axis=1))
    np.testing.assert_allclose(level[1:-1], level[10], rtol=0.03)
    # A click would be broadband: nothing is there above the partials and their interpolation.
    spectrum = np.abs(np.fft.rfft(held[96000:] * np.hanning(len(held) - 96000)))
    assert 20 * np.log10(spectrum[round(len(spectrum) * 12 / 24) :].max() / spectrum.max()) < -75
    assert np.abs(released[48000:]).max() < 10 ** (-60 / 20)
    assert found["voices"] == 0


def test_a_decaying_note_falls_on_and_ends():
    code = (
        SYNTH
        + """
        synth_.start(1, note(60, floats(given.audio)), 60, 1);
        const sound = render(10);
        return { sound: packed(sound), voices: synth_.voices.length };"""
    )
    found = run(code, {"rate": 48000, "audio": pack(tone(60, slope=-10))}, "synth", "sustain_loop")
    level = 20 * np.log10(np.sqrt(np.mean(unpack(found["sound"]).reshape(-1, 48000) ** 2, axis=1)) + 1e-9)
    np.testing.assert_allclose(np.diff(level)[:6], -10, atol=1)
    assert found["voices"] == 0


def test_a_chord_of_six_at_full_level_does_not_clip():
    code = (
        SYNTH
        + """
        given.notes.forEach((audio, index) => {
          const pitch = 48 + 4 * index;
          synth_.start(index, note(pitch, floats(audio)), pitch, 1);
        });
        return packed(render(2));"""
    )
    given = {"rate": 48000, "notes": [pack(tone(48 + 4 * index, 0.99)) for index in range(6)]}
    sound = unpack(run(code, given, "synth", "sustain_loop"))
    assert np.abs(sound).max() < 0.96
    assert np.sqrt(np.mean(sound[48000:] ** 2)) > 0.15


def test_panic_is_silence_at_once():
    code = (
        SYNTH
        + """
        for (let id = 0; id < 4; id++) synth_.start(id, note(60, floats(given.audio)), 60 + id, 1);
        render(1);
        synth_.panic();
        return { sound: packed(render(0.2)), voices: synth_.voices.length };"""
    )
    found = run(code, {"rate": 48000, "audio": pack(tone(60))}, "synth", "sustain_loop")
    assert np.abs(unpack(found["sound"])[4800:]).max() < 10 ** (-60 / 20)
    assert found["voices"] == 0


def test_more_voices_than_there_are_end_the_oldest():
    code = (
        SYNTH
        + """
        const one = note(60, floats(given.audio));
        for (let id = 0; id < 40; id++) { synth_.start(id, one, 60, 1); render(0.01); }
        render(0.2);
        return [synth_.voices.map((voice) => voice.id), synth.MOST_VOICES];"""
    )
    ids, most = run(code, {"rate": 48000, "audio": pack(tone(60))}, "synth", "sustain_loop")
    assert ids == list(range(40 - most, 40))


def test_a_swap_changes_the_sound_at_the_same_time_of_the_note():
    code = (
        SYNTH
        + """
        synth_.start(1, note(60, floats(given.quiet)), 60, 1);
        const before = render(1);
        synth_.swap(1, note(60, floats(given.loud)), false);
        render(0.1);
        return { before: packed(before), after: packed(render(0.5)) };"""
    )
    given = {"rate": 48000, "quiet": pack(tone(60, 0.1)), "loud": pack(tone(60, 0.4))}
    found = run(code, given, "synth", "sustain_loop")
    before, after = (np.sqrt(np.mean(unpack(found[key])[-9600:] ** 2)) for key in ("before", "after"))
    assert after / before == pytest.approx(4, rel=0.03)
