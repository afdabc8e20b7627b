"""Files: a folder gets all files of a run or none, and its JSON file is strict."""

import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from nsynth_vae.errors import InputError
from nsynth_vae.files import (
    atomic_write,
    broken_link,
    check_output,
    check_output_file,
    check_working_directory,
    expand,
    made,
    remove_abandoned,
    save_json,
    save_sound,
    temporary_folder,
    to_json,
    walk,
    write_text,
    writing,
)

pytestmark = pytest.mark.player


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed(code: str) -> None:
    """Run Python code in a process that kills itself."""
    code = f"import os, pathlib\nfrom nsynth_vae.files import atomic_write, writing\n{code}"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9


def write(folder: pathlib.Path, files: dict[str, str], **record) -> None:
    with writing(folder, "record.json", record) as folder_written:
        for name, text in files.items():
            (folder_written / name).write_text(text)


def test_an_atomic_write_replaces_the_file_or_leaves_it(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("one", "two"):
        with atomic_write(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=r"a.txt: cannot be written \(No space left on device\), expected a place for"):
        fail()
    assert path.read_text() == "two"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among its files")
@pytest.mark.parametrize("write", [lambda path: write_text(path, "new"), lambda path: check_output_file(path, "file")])
def test_what_is_no_file_is_named_and_left(tmp_path, write):
    """By a name of its own, or by a link's."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, target in {"to pipe": "pipe", "to folder": "folder", "loop": "loop", "broken": "none"}.items():
        (tmp_path / name).symlink_to(target)
    before = {name: os.lstat(tmp_path / name).st_mode for name in names(tmp_path)}
    for name, problem in {
        "pipe": "is a device or pipe",
        "to pipe": "is a device or pipe",
        "folder": "is a folder",
        "to folder": "is a folder",
        "loop": "is a link to loop, which leads back to it",
        "broken": "is a link to none, which is not there",
    }.items():
        with pytest.raises(InputError, match=f"{name}: {problem}, expected the name of a file to write"):
            write(tmp_path / name)
    assert {name: os.lstat(tmp_path / name).st_mode for name in names(tmp_path)} == before


def test_folders_are_made_and_stay_only_with_what_is_in_them(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"

    def fail(give) -> None:
        with give:
            assert path.parent.is_dir()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=r"a.txt: cannot be written \(No space left on device\)"):
        fail(atomic_write(path))
    for give in (made(path.parent), temporary_folder(path.parent)):
        with pytest.raises(OSError, match="No space left"):
            fail(give)
    assert names(tmp_path) == []
    write_text(path, "whole")
    with made(path.parent), temporary_folder(path.parent):
        pass
    assert path.read_text() == "whole"


def test_a_file_of_a_folder_of_results_is_named_by_its_place_there(tmp_path):
    def fail(folder: pathlib.Path) -> None:
        with writing(folder, "record.json", {}) as hidden, atomic_write(hidden / "map.html"):
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    with pytest.raises(
        InputError, match=r"^\S+[/\\]folder[/\\]map.html: cannot be written \(File too large\), expected"
    ):
        fail(tmp_path / "folder")
    assert names(tmp_path) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target/real.txt")
    (tmp_path / "chain.txt").symlink_to("link.txt")
    with atomic_write(tmp_path / "chain.txt") as temporary:
        assert temporary.parent == tmp_path / "target"
        temporary.write_text("new")
    assert (tmp_path / "link.txt").readlink() == pathlib.Path("target/real.txt")
    assert (tmp_path / "chain.txt").is_symlink()
    assert (tmp_path / "target" / "real.txt").read_text() == "new"
    assert names(tmp_path / "target") == ["real.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among its files")
def test_links_and_pipes_among_a_former_runs_files_are_left(tmp_path):
    folder = tmp_path / "folder"
    write(folder, {"a.wav": "1", "b.wav": "1"})
    (tmp_path / "mine.wav").write_text("a recording")
    for name in ("a.wav", "b.wav"):
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "mine.wav")
    with pytest.raises(InputError, match=r"a.wav: is there, and not of a former run"):
        write(folder, {"a.wav": "2"})
    write(folder, {"c.wav": "2"})
    assert names(folder) == ["a.wav", "b.wav", "c.wav", "record.json"]
    assert (folder / "a.wav").readlink() == (folder / "b.wav").readlink() == tmp_path / "mine.wav"
    (folder / "record.json").unlink()
    os.mkfifo(folder / "record.json")
    with pytest.raises(InputError, match=r"record.json: is a folder, link, device or pipe, expected a place for a"):
        write(folder, {"c.wav": "3"})
    assert (folder / "record.json").is_fifo()


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    for make in ("touch", "mkdir"):
        killed(f"with atomic_write('{tmp_path / make}') as path: path.{make}(); os.kill(os.getpid(), 9)")
    elsewhere = tmp_path / ".tmp-999999999-0badc0de-of another machine"
    elsewhere.touch()
    assert len(names(tmp_path)) == 3
    with atomic_write(tmp_path / "b.txt") as temporary:
        temporary.write_text("whole")
        remove_abandoned(tmp_path)
    assert names(tmp_path) == [elsewhere.name, "b.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell whether a process has ended")
def test_what_a_killed_process_left_of_a_file_goes_when_the_file_is_written(tmp_path):
    for name in ("a.txt", "b.txt"):
        killed(f"with atomic_write('{tmp_path / name}') as path: path.touch(); os.kill(os.getpid(), 9)")
    killed(f"with writing('{tmp_path}', 'a.txt', {{}}): os.kill(os.getpid(), 9)")
    assert len(names(tmp_path)) == 3
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    other, folder = sorted(tmp_path.glob(".tmp-*"), key=pathlib.Path.is_dir)
    assert other.is_file()
    assert other.name.endswith("-b.txt")
    assert folder.name.endswith("-a.txt")
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell whether a process has ended")
def test_a_run_that_was_killed_while_it_moved_its_files_is_repeated(tmp_path):
    killed(f"""
with writing('{tmp_path}', 'record.json', {{}}) as folder:
    for name in ('a.wav', 'b.wav'):
        (folder / name).write_text('half')
    replace, moved = pathlib.Path.replace, []
    def kill(self, path):
        if moved:
            os.kill(os.getpid(), 9)
        if path.suffix == '.wav':
            moved.append(path)
        return replace(self, path)
    pathlib.Path.replace = kill
""")
    assert names(tmp_path)[1:] == ["a.wav"]
    write(tmp_path, {"a.wav": "2", "b.wav": "2"})
    assert names(tmp_path) == ["a.wav", "b.wav", "record.json"]
    assert (tmp_path / "a.wav").read_text() == "2"


def test_names_as_long_as_they_can_be_are_written(tmp_path):
    name = "a" * 251 + ".txt"
    write_text(tmp_path / name, "whole")
    assert names(tmp_path) == [name]


def test_a_leading_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_text("~/a.txt", "whole")
    write(pathlib.Path("~/folder"), {"a.wav": "1"})
    save_json("~/z.json", {"z": 1.0})
    save_sound("~/a.wav", np.zeros(8), 16000)
    check_output_file("~/new.wav", "WAV")
    assert names(tmp_path) == ["a.txt", "a.wav", "folder", "z.json"]
    assert not pathlib.Path("~").exists()
    assert expand("~no such user/x") == pathlib.Path("~no such user/x")


def test_what_a_former_run_left_is_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "new" / "folder"
    write(folder, {"a.wav": "1", "b.wav": "1"}, seed=1)
    (folder / "mine.wav").write_text("kept")
    write(folder, {"a.wav": "2", "c.wav": "2"}, seed=2)
    assert names(folder) == ["a.wav", "c.wav", "mine.wav", "record.json"]
    assert (folder / "a.wav").read_text() == "2"
    assert (folder / "mine.wav").read_text() == "kept"
    assert json.loads((folder / "record.json").read_text()) == {"seed": 2, "files": ["a.wav", "c.wav"]}


def test_what_is_not_a_former_runs_is_not_replaced(tmp_path):
    (tmp_path / "b.wav").write_text("a recording")
    with pytest.raises(InputError, match=r"b.wav: is there, and not of a former run \(no record.json lists it\)"):
        write(tmp_path, {"a.wav": "1", "b.wav": "1"})
    assert names(tmp_path) == ["b.wav"]
    assert (tmp_path / "b.wav").read_text() == "a recording"
    (tmp_path / "record.json").mkdir()
    with pytest.raises(InputError, match=r"record.json: is a folder, link, device or pipe, expected a place for a"):
        write(tmp_path, {"a.wav": "1"})
    assert names(tmp_path) == ["b.wav", "record.json"]


@pytest.mark.parametrize(
    "record",
    [
        {"files": ["../outside.wav", "..", "", "b.wav"]},
        {"files": ["{outside}"]},
        {"files": ["b.wav", 7]},
        {"files": "b.wav"},
        {"files": None},
        ["b.wav"],
    ],
)
def test_a_record_cannot_name_files_elsewhere(tmp_path, record):
    outside, folder = tmp_path / "outside.wav", tmp_path / "folder"
    outside.write_text("kept")
    folder.mkdir()
    (folder / "b.wav").write_text("of a former run" if ".." in str(record) else "kept")
    (folder / "record.json").write_text(json.dumps(record).replace("{outside}", str(outside)))
    write(folder, {"a.wav": "1"})
    assert outside.read_text() == "kept"
    assert names(folder) == ["a.wav", *["b.wav"] * (".." not in str(record)), "record.json"]


def test_a_folder_in_the_folder_is_a_former_runs_too(tmp_path):
    for number in "12":
        with writing(tmp_path, "record.json", {}) as folder_written:
            (folder_written / "samples").mkdir()
            (folder_written / "samples" / f"{number}.wav").write_text(number)
    assert names(tmp_path / "samples") == ["2.wav"]
    assert json.loads((tmp_path / "record.json").read_text()) == {"files": ["samples/2.wav"]}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), soundfile.LibsndfileError(7)])
def test_a_run_that_fails_leaves_nothing(tmp_path, error):
    def fail(folder: pathlib.Path) -> None:
        with writing(folder, "record.json", {}) as folder_written:
            (folder_written / "a.wav").write_text("1")
            raise error

    with pytest.raises(InputError, match=r"folder: cannot be written \(.+\), expected a folder to write to"):
        fail(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    write(tmp_path / "there", {"b.wav": "kept"})
    with pytest.raises(InputError):
        fail(tmp_path / "there")
    assert names(tmp_path / "there") == ["b.wav", "record.json"]


def test_an_output_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"file is no folder, expected a folder to write to"):
            check_output(output)
    check_output(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()


def test_json_is_strict_and_has_a_line_for_each_item():
    record = {
        "name": 'a [ "b" ] { c',
        "z": [0.5] * 100,
        "steps": [{"file": f"step-{i:02}.wav", "z": [float(i)] * 40} for i in range(3)],
        "names": [f"a long name {i}" for i in range(20)],
        "empty": [{}, []],
    }
    text = to_json(record)
    assert json.loads(text) == record
    assert sum(line.count("0.5") for line in text.splitlines()) == 100
    assert max(line.count("0.5") for line in text.splitlines()) == 100
    assert len(text.splitlines()) == 2 + 1 + 1 + 2 + 3 * 4 + 2 + 20 + 1


def test_what_is_not_finite_is_null_in_the_record(tmp_path):
    write(tmp_path / "folder", {}, attack=float("nan"), values=[1.0, float("inf")], third=1 / 3)
    found = json.loads((tmp_path / "folder" / "record.json").read_text())
    assert found == {"attack": None, "values": [1.0, None], "third": 0.333333, "files": []}


def test_links_to_folders_are_followed_once_and_broken_ones_yielded(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "z").mkdir(parents=True)
    other.mkdir()
    for path in (root / "z" / "1.wav", other / "2.wav"):
        path.touch()
    # A link to a folder of the tree, one to a folder outside, two in a circle, and a broken one.
    for link, target in {"a": root / "z", "b": other, "z/up": root, "c.wav": "nowhere"}.items():
        (root / link).symlink_to(target)
    (other / "back").symlink_to(root)
    assert [path.relative_to(root).as_posix() for path in walk(root)] == ["c.wav", "z/1.wav", "b/2.wav"]
    assert [path.name for path in walk(root, skip=lambda name: name in ("z", "c.wav"))] == ["1.wav", "2.wav"]


def test_a_link_that_leads_nowhere_is_named_in_words(tmp_path):
    for link, target in {"a": "b", "b": "a", "c": "nowhere", "d": "."}.items():
        (tmp_path / link).symlink_to(target)
    assert broken_link(tmp_path / "a") == "is a link to b, which leads back to it"
    assert broken_link(tmp_path / "c") == "is a link to nowhere, which is not there"
    assert broken_link(tmp_path / "d") == broken_link(tmp_path) == broken_link(tmp_path / "e") == ""
    with pytest.raises(InputError, match=r"a is a link to b, which leads back to it, expected a folder to write to"):
        check_output(tmp_path / "a" / "morph")


def test_nothing_is_written_to_the_root_of_the_file_system_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match="--exports exports: the working directory is /, expected another one, or"):
        check_working_directory("exports", "--exports")
    check_working_directory(tmp_path, "--exports")
    monkeypatch.chdir(tmp_path)
    check_working_directory("exports", "--exports")


def test_an_output_through_a_broken_link_is_named(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"link is a link to nowhere, which is not there, expected a folder"):
        check_output(tmp_path / "link" / "morph")
