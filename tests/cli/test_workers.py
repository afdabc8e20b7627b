"""Worker processes of one machine: their cluster and threads, prefixed output, exit codes, and their common end."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nsynth_vae import launch
from nsynth_vae.cli import workers
from nsynth_vae.errors import InputError

pytestmark = pytest.mark.player


def command(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_a_training_command_becomes_a_workers():
    expected = [sys.executable, "-m", "nsynth_vae.train_classifier", "--steps", "3", "--strategy", "multi-worker"]
    assert workers.worker_command(["train-classifier", "--steps", "3"]) == expected
    assert workers.worker_command(["nsynth_vae.train_classifier", *expected[3:]]) == expected
    same = ["train", "--strategy=multi-worker"]
    assert workers.worker_command(same) == [sys.executable, "-m", "nsynth_vae.train", same[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2", "--", "play", "a.mid"], "launch: found play, expected train, train_synthesizer, train_classifier"),
        (["2", "--", "train", "--strategy", "mirrored"], "launch: found --strategy mirrored, expected multi-worker"),
        (["2", "--", "train", "--strategy=none"], "launch: found --strategy none, expected multi-worker"),
    ],
)
def test_another_command_or_strategy_is_an_error(arguments, message):
    with pytest.raises(InputError, match=message):
        workers.worker_command(launch.make_parser().parse_args(arguments).command)


@pytest.mark.parametrize("arguments", [["2"], ["0", "--", "train"], ["two", "--", "train"]])
def test_wrong_arguments_are_one_line(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        launch.main(arguments)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_workers_get_their_cluster_and_threads_and_their_lines_a_prefix(capsys):
    code = """
        import json, os, sys
        print(os.environ["TF_CONFIG"])
        print("10 %\\r20 %", os.environ["TF_NUM_INTRAOP_THREADS"])
        print("a word", file=sys.stderr)
    """
    assert workers.run_workers(command(code), 2, threads=3) == 0
    out, err = capsys.readouterr()
    lines = {index: [line[4:] for line in out.splitlines() if line.startswith(f"[{index}] ")] for index in (0, 1)}
    assert sum(map(len, lines.values())) == len(out.splitlines())
    clusters = [json.loads(lines[index][0]) for index in (0, 1)]
    assert clusters[0]["cluster"] == clusters[1]["cluster"]
    assert len(set(clusters[0]["cluster"]["worker"])) == 2
    assert [cluster["task"] for cluster in clusters] == [{"type": "worker", "index": index} for index in (0, 1)]
    assert lines[0][1:] == lines[1][1:] == ["10 %", "20 % 3"]
    assert sorted(err.splitlines()) == ["[0] a word", "[1] a word"]


@pytest.mark.parametrize(("ending", "expected"), [("sys.exit(5)", 5), ("os.kill(os.getpid(), 9)", 137)])
def test_when_one_fails_all_end_with_its_code(monkeypatch, ending, expected):
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.5)
    code = f"""
        import json, os, sys, time
        if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
            {ending}
        time.sleep(60)
    """
    started = time.monotonic()
    assert workers.run_workers(command(code), 3) == expected
    assert time.monotonic() - started < 30


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_are_handed_on_once(tmp_path, number):
    worker = """
        import os, pathlib, sys, time
        place = pathlib.Path(sys.argv[1]) / str(os.getpid())
        try:
            place.touch()
            time.sleep(60)
        except KeyboardInterrupt:
            place.write_text("interrupted")
            sys.exit(130)
    """
    code = f"""
        import sys
        from nsynth_vae.cli import workers
        sys.exit(workers.run_workers([sys.executable, "-c", {textwrap.dedent(worker)!r}, {str(tmp_path)!r}], 2))
    """
    root = str(pathlib.Path(workers.__file__).parents[2])
    process = subprocess.Popen(command(code), env=os.environ | {"PYTHONPATH": root})
    for _ in range(300):
        if len(list(tmp_path.iterdir())) == 2:
            break
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(30) == 130
    assert [path.read_text() for path in tmp_path.iterdir()] == ["interrupted"] * 2


def test_ports_are_free_and_different():
    ports = workers.free_ports(5)
    assert len(set(ports)) == 5
