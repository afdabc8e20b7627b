"""`python -m nsynth_vae.sample`: what is drawn, that it can be drawn again, what is written, and its errors."""

import json

import matplotlib.image
import numpy as np
import pytest
import soundfile
import timbres

from nsynth_vae import sample as command
from nsynth_vae import timbre_model
from nsynth_vae.errors import InputError
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering import random_samples
from nsynth_vae.rendering.random_samples import (
    QUIETEST,
    draw,
    latent_standard_deviation,
    mixture_draw,
    normal_draw,
    sample,
)

DIM = timbres.DIM

MIXTURE = {
    "weights": [0.25, 0.75],
    "means": [[4.0, *[0.0] * (DIM - 1)], [0.0, -2.0, *[0.0] * (DIM - 2)]],
    "standard_deviations": [[0.5] * DIM, [0.1] * DIM],
    "families": {"flute": [1.0, 0.0], "guitar": [0.0, 1.0]},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model with a mixture, exported."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("sample"), timbres.ATTRIBUTES | {"mixture": MIXTURE})
    return ["--model", str(folder), "--exports", str(exports)]


@pytest.fixture(scope="module")
def lookup(model):
    return TimbreLookup(timbre_model.open_model(model[1], model[3]))


def far(z: np.ndarray) -> np.ndarray:
    """Which samples are of the mixture's first component."""
    return z[:, 0] > 2.0


def test_the_prior_is_a_standard_normal():
    draw_z = normal_draw(np.zeros(DIM), np.ones(DIM))
    z, pitch = draw(4000, 0, draw_z, (36, 84))
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(np.cov(z.T), np.eye(DIM), atol=0.09)
    # Samples are independent of one another, and each has all of the range.
    np.testing.assert_allclose(np.corrcoef(z[:-1, 0], z[1:, 0])[0, 1], 0.0, atol=0.06)
    assert pitch.min() == 36
    assert pitch.max() == 84
    assert pitch.dtype == np.int32
    np.testing.assert_allclose(np.bincount(pitch - 36) / 4000, 1 / 49, atol=0.01)
    assert abs(np.corrcoef(z[:, 0], pitch)[0, 1]) < 0.06


def test_a_sample_depends_on_the_seed_and_its_number_only():
    draw_z = normal_draw(np.zeros(DIM), np.ones(DIM))
    z, pitch = draw(9, 5, draw_z, (36, 84))
    few, few_pitch = draw(4, 5, draw_z, (36, 84))
    np.testing.assert_array_equal(few, z[:4])
    np.testing.assert_array_equal(few_pitch, pitch[:4])
    elsewhere, _ = draw(9, 5, draw_z, (60, 60))
    np.testing.assert_array_equal(elsewhere, z)
    other, _ = draw(9, 6, draw_z, (36, 84))
    assert not np.isin(other, z).any()


def test_a_sample_that_is_almost_silent_is_drawn_again(lookup, monkeypatch):
    first = sample(lookup, 12, method="prior")
    peaks = np.abs(first.audio).max(axis=1)
    assert peaks.min() >= QUIETEST
    monkeypatch.setattr(random_samples, "QUIETEST", float(np.median(peaks)))
    again = sample(lookup, 12, method="prior")
    quiet = peaks < random_samples.QUIETEST
    assert quiet.sum() == 6
    np.testing.assert_array_equal(again.z[~quiet], first.z[~quiet])
    assert (again.z[quiet] != first.z[quiet]).all()
    np.testing.assert_array_equal(again.pitch, first.pitch)
    assert np.abs(again.audio).max(axis=1).min() >= random_samples.QUIETEST
    np.testing.assert_allclose(again.audio, lookup.model.decode(again.z, again.pitch, 100).audio, atol=1e-4)
    np.testing.assert_array_equal(sample(lookup, 5, method="prior").z, again.z[:5])
    # What is never loud enough is given up.
    monkeypatch.setattr(random_samples, "QUIETEST", 2.0)
    assert len(sample(lookup, 2).audio) == 2


def test_the_mixture_is_what_is_drawn_by_default(lookup):
    draw_z = mixture_draw(lookup.model, None)
    z, _ = draw(2000, 0, draw_z, (60, 60))
    assert far(z).mean() == pytest.approx(0.25, abs=0.03)
    for of, mean, deviation in zip((far(z), ~far(z)), MIXTURE["means"], (0.5, 0.1), strict=True):
        np.testing.assert_allclose(z[of].mean(axis=0), mean, atol=0.1)
        np.testing.assert_allclose(z[of].std(axis=0), deviation, rtol=0.12)
    found = sample(lookup, 5)
    np.testing.assert_array_equal(found.z, z[:5])
    assert found.drawn == {"method": "mixture", "seed": 0, "family": None}
    np.testing.assert_array_equal(found.audio, lookup.model.decode(z[:5], 60, 100).audio)


def test_a_familys_samples_are_of_its_components(lookup):
    assert far(sample(lookup, 12, family="flute").z).all()
    assert not far(sample(lookup, 12, family="guitar").z).any()


def test_near_is_a_cloud_around_a_timbre(lookup):
    center = timbres.vector("flute") + timbres.vector("bright")
    deviation = latent_standard_deviation(lookup.model)
    for spread in (None, 0.02):
        found = sample(lookup, 64, near="flute + bright", spread=spread)
        scaled = (found.z - center) / deviation / (spread or 0.5)
        assert found.drawn == {"method": "near", "seed": 0, "near": "flute + bright", "spread": spread or 0.5}
        np.testing.assert_allclose(scaled.mean(), 0.0, atol=0.2)
        np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=0.35)


def test_the_spread_of_the_space_is_the_mixtures_own(lookup):
    """By the law of total variance, and by drawing."""
    z, _ = draw(4000, 1, mixture_draw(lookup.model, None), (60, 60))
    deviation = latent_standard_deviation(lookup.model)
    np.testing.assert_allclose(deviation, z.std(axis=0), rtol=0.06)
    assert deviation[0] == pytest.approx(np.sqrt(0.25 * 0.25 + 0.75 * 0.01 + 0.25 * 9 + 0.75))
    np.testing.assert_array_equal(latent_standard_deviation(timbres.named_lookup().model), np.ones(DIM))


def test_files_hold_what_was_drawn(lookup, model, tmp_path, capsys):
    output = tmp_path / "new" / "sounds"
    arguments = ["--count", "5", "--method", "prior", "--pitch", "48-60", "--velocity", "80", "--seed", "3"]
    assert command.main([*arguments, *model, "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"5 new sounds by prior -> {output}\n"
    record = json.loads((output / "samples.json").read_text())
    wavs = [f"sample-{number:02}.wav" for number in range(5)]
    assert sorted(path.name for path in output.iterdir()) == ["contact-sheet.png", *wavs, "samples.json"]
    assert (record["method"], record["seed"], record["velocity"], record["model"]) == ("prior", 3, 80, "small")
    assert [one["file"] for one in record["samples"]] == wavs
    z, pitch = (np.array([one[name] for one in record["samples"]]) for name in ("z", "pitch"))
    assert all(48 <= one <= 60 for one in pitch)
    assert len(set(pitch)) > 1
    found = sample(lookup, 5, method="prior", pitch=(48, 60), velocity=80, seed=3)
    np.testing.assert_allclose(z, found.z, rtol=1e-5)
    np.testing.assert_array_equal(pitch, found.pitch)
    audio = lookup.model.decode(z, pitch, 80).audio
    for name, sound in zip(wavs, audio, strict=True):
        read, rate = soundfile.read(output / name)
        assert rate == 16000
        assert np.abs(read).max() > 0.001
        np.testing.assert_allclose(read, np.clip(sound, -1, 1), atol=1e-3)
    picture = matplotlib.image.imread(output / "contact-sheet.png")
    assert picture[..., :3].std() > 0.1
    # Again, with fewer: the same sounds, and none left of before.
    assert command.main([*arguments, *model, "-o", str(output), "--count", "2"]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["contact-sheet.png", *wavs[:2], "samples.json"]
    assert json.loads((output / "samples.json").read_text())["samples"] == record["samples"][:2]


@pytest.mark.parametrize("pitch", [0, 127])
@pytest.mark.parametrize("velocity", [0, 127])
def test_the_edges_of_midi_sound(lookup, pitch, velocity):
    assert np.isfinite(sample(lookup, 1, method="prior", pitch=pitch, velocity=velocity).audio).all()


def error_of(arguments: list[str], capsys) -> str:
    try:
        code = command.main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.startswith("error: ")
    assert "\n" not in error
    return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "--count: found 0, expected 1 to 1024"),
        (["--count", "1025"], "--count: found 1025, expected 1 to 1024"),
        (["--method", "posterior"], "invalid choice: 'posterior'"),
        (["--method", "near"], "--method: found near without --near, expected the timbre"),
        (["--method", "prior", "--near", "flute"], "--near: found it with --method prior, expected --method near"),
        (["--method", "prior", "--family", "flute"], "--family: found it with --method prior, expected --method mixtu"),
        (["--near", "flute", "--family", "flute"], "--family: found it with --method near, expected --method mixture"),
        (["--spread", "1"], "--spread: found it with --method mixture, expected --method near"),
        (["--near", "flute", "--spread", "0"], "argument --spread: found '0', expected a positive number"),
        (["--near", "flute", "--spread", "1000"], "from the middle of the space, expected a smaller one"),
        (["--near", "flutes"], "'flutes': no such name or file; nearest: flute"),
        (["--family", "guitars"], "--family: found 'guitars', expected one that small knows: guitar"),
        (["--family", "x"], "--family: found 'x', expected one that small knows: flute, guitar"),
        (["--pitch", "128"], "argument --pitch: found '128', expected a MIDI number, 0 to 127"),
        (["--pitch", "60-"], "argument --pitch: found '60-', expected a MIDI pitch or a range, LOW-HIGH"),
        (["--pitch", "60-48"], "--pitch: found 60-48, expected LOW-HIGH"),
        (["--velocity", "-1"], "argument --velocity"),
        (["--seed", "-1"], "--seed: found -1, expected an integer from 0 to 2147483647"),
        (["--output", "{file}"], "file: "),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(options, message, model, tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    options = [option.replace("{file}", str(tmp_path / "file")) for option in options]
    assert message in error_of(["--output", str(tmp_path / "out"), *model, *options], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_without_a_mixture_says_who_learns_it():
    with pytest.raises(
        InputError, match=r"toy: has no mixture .* `python -m nsynth_vae.attributes --model ...` learns"
    ):
        sample(timbres.named_lookup())


@pytest.mark.parametrize("spread", [0.0, -1.0, float("inf"), float("nan")])
def test_a_spread_is_a_positive_number(spread):
    with pytest.raises(InputError, match=r"--spread: found .*, expected a positive number"):
        sample(timbres.named_lookup(), near="flute", spread=spread)
