"""What names, root keys and sounds say of a pitch, and whether they agree."""

import numpy as np
import pytest

from nsynth_vae.analysis.evidence import Evidence, by_instrument, examine
from nsynth_vae.analysis.file_names import parse_file_name

pytestmark = pytest.mark.player


def test_sixty_cents_and_two_octaves_are_the_limits():
    one = Evidence(parse_file_name("C4"), None, 60.5)
    assert [pitch for pitch in range(128) if one.agrees(pitch)] == [60, 61]
    assert {pitch: off for pitch in range(128) if (off := one.octaves_off(pitch)) is not None} == {
        **dict.fromkeys((36, 37), 2),
        **dict.fromkeys((48, 49), 1),
        **dict.fromkeys((60, 61), 0),
        **dict.fromkeys((72, 73), -1),
        **dict.fromkeys((84, 85), -2),
    }
    silent = Evidence(parse_file_name("C4"), None, None)
    assert not any(silent.agrees(pitch) or silent.octaves_off(pitch) is not None for pitch in range(128))


def test_the_reading_is_the_one_that_the_sound_has_else_a_sure_one():
    named = parse_file_name("As3")  # A#3, in German A flat 3
    readings = [getattr(Evidence(named, None, sound).reading, "pitch", None) for sound in (58.0, 56.2, 70.0, None)]
    assert readings == [58, 56, 58, 58]
    assert Evidence(parse_file_name("PianoC4"), None, 62.0).reading is None


@pytest.mark.parametrize(
    ("name", "pitch"), [("HammondB3-060-050", 60), ("HammondB3-060-050", 59), ("Yamaha C7 60", 60)]
)
def test_the_sound_is_compared_with_every_pitch_that_a_name_may_state(name, pitch):
    time = np.arange(16000) / 16000
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    audio = 0.2 * sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 9))
    assert examine(parse_file_name(name), None, audio.astype(np.float32)).sound == pitch


def test_files_by_instrument():
    files = [Evidence(parse_file_name(name), None, None) for name in ("a C4", "b C4", "a D4")]
    assert by_instrument(files) == {"a": [files[0], files[2]], "b": [files[1]]}
