"""Record of a run's notes: what has changed between two runs, by the content of files."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest
import soundfile
from conftest import sine

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.samples import SamplesSource
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.training import checkpoints, notes_record


def write_note(file: pathlib.Path, hertz: float) -> None:
    soundfile.write(file, sine(hertz), 16000)


def write_notes(folder: pathlib.Path) -> pathlib.Path:
    """Write four notes: C4, D4, E4 and F4 of one instrument."""
    folder.mkdir(parents=True)
    for name, hertz in {"C4": 261.6, "D4": 293.7, "E4": 329.6, "F4": 349.2}.items():
        write_note(folder / f"flute {name}.wav", hertz)
    return folder


def describe(folder: pathlib.Path, valid: int = 1) -> notes_record.Record:
    source = SamplesSource(folder, audio=AudioConfig(), bad_notes=BadNotes(), log=lambda line: None)
    rows = np.arange(len(source.table))
    return notes_record.describe(source, {"train": rows[valid:], "valid": rows[:valid]})


@pytest.fixture
def run(tmp_path):
    """A run's folder with a checkpoint, and its notes."""
    notes = write_notes(tmp_path / "notes")
    checkpoints.save(tmp_path / "run" / "checkpoints", checkpoints.Checkpoint({}, {}), 3)
    notes_record.write(tmp_path / "run", describe(notes))
    return tmp_path / "run", notes


def check(folder: pathlib.Path, notes: pathlib.Path, *, allowed: bool = False, resume: bool = True, valid: int = 1):
    return notes_record.check(folder, describe(notes, valid), allowed=allowed, resume=resume)


def test_the_same_notes_elsewhere_and_written_later_are_the_same(run, tmp_path):
    folder, notes = run
    shutil.copytree(notes, tmp_path / "copy")
    for file in (tmp_path / "copy").iterdir():
        file.touch()
    assert not check(folder, tmp_path / "copy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda notes: write_note(notes / "flute G4.wav", 392.0), "4 then, 5 now: 1 added: flute-067-100"),
        (lambda notes: (notes / "flute D4.wav").unlink(), "4 then, 3 now: 1 removed: flute-062"),
        (
            lambda notes: write_note(notes / "flute F4.wav", 349.5),
            "4 then, 4 now: 1 with another content: flute-065-100",
        ),
        (
            lambda notes: (notes / "flute F4.wav").rename(notes / "oboe F4.wav"),
            "4 then, 4 now: 1 added: oboe-065-100; 1 removed: flute-065-100",
        ),
    ],
)
def test_changed_notes_are_named(run, change, message, capsys):
    folder, notes = run
    change(notes)
    with pytest.raises(InputError, match=f"run: the notes have changed since .{message}.*, so that validation losses"):
        check(folder, notes)
    assert check(folder, notes, allowed=True)
    assert message in capsys.readouterr().out
    assert not check(folder, notes, resume=False)
    shutil.rmtree(folder / "checkpoints")
    assert not check(folder, notes)


def test_notes_of_another_split_have_changed(run):
    folder, notes = run
    with pytest.raises(InputError, match=r"4 then, 4 now: 1 moved to another split: flute-062-100\)"):
        check(folder, notes, valid=2)


def test_one_changed_byte_of_large_files_is_found_in_each_megabyte(monkeypatch, tmp_path):
    monkeypatch.setattr(notes_record, "WHOLE_BYTES", 10)
    file = tmp_path / "a"
    file.write_bytes(bytes(3 << 20))
    found = {str(notes_record._hash_files({str(file)}))}
    for megabyte in range(3):
        content = bytearray(3 << 20)
        content[(megabyte << 20) + (1 << 17)] = 1
        file.write_bytes(content)
        found.add(str(notes_record._hash_files({str(file)})))
    assert len(found) == 4


def test_a_run_without_a_record_or_with_a_damaged_one_is_resumed(run):
    folder, notes = run
    record = folder / "checkpoints" / "notes.json"
    for text in ("[]", '{"train": 3}', '{"train": {"flute": 3}}', "[" * 100_000):
        record.write_text(text)
        assert not check(folder, notes)
    record.unlink()
    assert not check(folder, notes)


def test_many_notes_are_recorded_by_instrument(run, monkeypatch, tmp_path):
    monkeypatch.setattr(notes_record, "MOST_NOTES", 3)
    _, notes = run
    folder = tmp_path / "many"
    checkpoints.save(folder / "checkpoints", checkpoints.Checkpoint({}, {}), 3)
    record = describe(notes)
    assert {name: list(part) for name, part in record.items()} == {"train": ["flute"], "valid": ["flute"]}
    notes_record.write(folder, record)
    assert not check(folder, notes)
    with pytest.raises(InputError, match=r"4 then, 4 now: 1 with another content: flute\)"):
        check(folder, notes, valid=2)
    write_note(notes / "flute F4.wav", 349.5)
    write_note(notes / "oboe F4.wav", 349.2)
    with pytest.raises(InputError, match=r"4 then, 5 now: 1 added: oboe; 1 with another content: flute\)"):
        check(folder, notes)


def test_of_many_files_the_sizes_of_all_and_the_content_of_a_sample_count(monkeypatch, tmp_path):
    monkeypatch.setattr(notes_record, "MOST_PARTS", 8)
    files = {str(tmp_path / f"{number}") for number in range(20)}

    def changed(content: bytes) -> int:
        """Return how many hashes change as each file gets this content, one at a time."""
        before, different = notes_record._hash_files(files), 0
        for file in files:
            pathlib.Path(file).write_bytes(content)
            different += notes_record._hash_files(files)[file] != before[file]
            pathlib.Path(file).write_bytes(bytes(100))
        return different

    for file in files:
        pathlib.Path(file).write_bytes(bytes(100))
    assert changed(bytes(99)) == 20
    assert changed(b"\1" * 100) == 8


def test_the_parts_that_are_read_are_bounded_by_the_size_of_all_files(monkeypatch, tmp_path):
    monkeypatch.setattr(notes_record, "WHOLE_BYTES", 10)
    monkeypatch.setattr(notes_record, "MOST_PARTS", 4)
    file = tmp_path / "a"
    file.write_bytes(bytes(16 << 20))
    before = notes_record._hash_files({str(file)})
    found = []
    for megabyte in range(16):
        content = bytearray(16 << 20)
        content[megabyte << 20 : (megabyte + 1) << 20] = b"\1" * (1 << 20)
        file.write_bytes(content)
        found.append(notes_record._hash_files({str(file)}) != before)
    assert sum(found) == 4
