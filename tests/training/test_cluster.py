"""Two workers train as one process does; a killed one ends the others, and all resume, in one process too."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import synthetic

from nsynth_vae.cli import workers
from nsynth_vae.errors import InputError
from nsynth_vae.training.cluster import Cluster

WORKER = """
    import os, pathlib, sys
    import numpy as np
    from nsynth_vae.cli.failures import guarded
    from nsynth_vae.config import *
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.batching.feature_batches import open_features
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.training.cluster import joined
    folder, out, steps, kill_at, strategy = sys.argv[1:]
    out = pathlib.Path(out)

    def main():
        with joined(strategy) as cluster:
            from nsynth_vae.model.vae import VAE
            from nsynth_vae.training import trainer as module
            module.CHECKPOINT_SECONDS = 0.0
            source = open_source(folder, audio=AudioConfig(), bad_notes=BadNotes(), log=lambda line: None)
            rows = [np.flatnonzero(source.table.split == split) for split in (0, 1)]
            notes = [open_features(source, part, AudioConfig(), BadNotes(), memory=True) for part in rows]
            config = Config(model=ModelConfig(latent_dim=4, channels=16, kl_warmup_steps=10),
                            train=TrainConfig(batch_size=8, seed=5))
            trainer = module.Trainer(lambda: VAE(config), config, *notes, out, cluster=cluster,
                                     batch_options={"mixup_probability": 0.5})
            first, losses = trainer.step, []

            def on_step(step):
                losses.append(step["loss"])
                if cluster.index == 1 and trainer.step == int(kill_at):
                    os.kill(os.getpid(), 9)

            trainer.run(Budget(steps=int(steps)), on_step=on_step)
            result = {str(i): np.array(weight) for i, weight in enumerate(trainer.model.trainable_variables)}
            valid = [record["valid"]["loss"] for record in trainer.state.history]
            name = f"result-{cluster.index}-of-{cluster.workers}.npz"
            np.savez(out / name, losses=losses, valid=valid, first=first, **result)

    sys.exit(guarded(main, "worker", debug=False))
"""


def start(folder, out, steps, processes, kill_at=-1):
    strategy = "multi-worker" if processes > 1 else "none"
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(folder), str(out), str(steps), str(kill_at), strategy]
    return workers.run_workers(command, processes)


def assert_close(found, expected, name):
    # Adam takes a step of up to the learning rate, 1e-3, for a gradient that is nothing but rounding.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_two_workers_train_as_one_process_does_and_a_killed_one_costs_no_step(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(workers.__file__).parents[2]))
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    one, two, parts = (tmp_path / name for name in ("one", "two", "parts"))
    assert start(folder, one, 20, 1) == 0
    assert start(folder, two, 20, 2) == 0
    expected = np.load(one / "result-0-of-1.npz")
    assert len(expected["losses"]) == 20
    chief, other = (np.load(two / f"result-{index}-of-2.npz") for index in (0, 1))
    for name in expected.files:
        for found in (chief, other):
            assert_close(found[name], expected[name], name)

    capfd.readouterr()
    assert start(folder, parts, 20, 2, kill_at=6) == 137
    error, codes = capfd.readouterr().err.splitlines()
    assert error.startswith("[0] error: worker 0 of 2: another worker has ended or cannot be reached")
    assert codes == "launch: exit codes of the workers: 2, 137"
    # Of one process, and again of two, from the chief's checkpoint: step 6, or 7 if worker 1 had begun it.
    assert start(folder, parts, 12, 1) == 0
    alone = np.load(parts / "result-0-of-1.npz")
    assert 5 <= alone["first"] <= 7
    assert_close(alone["losses"], expected["losses"][alone["first"] : 12], "losses of one")
    assert start(folder, parts, 20, 2) == 0
    for index in (0, 1):
        resumed = np.load(parts / f"result-{index}-of-2.npz")
        assert resumed["first"] == 12
        for name in set(expected.files) - {"losses", "first", "valid"}:
            assert_close(resumed[name], expected[name], name)
        assert_close(resumed["losses"], expected["losses"][12:], "losses of two")


def test_a_worker_with_other_notes_is_an_error():
    class Alone(Cluster):
        """Worker 1, whose chief has the value "other"."""

        def share(self, value):
            return "other"

        def sum(self, values):
            return values

    with pytest.raises(InputError, match="worker 1: found other notes than worker 0's, expected the same on all"):
        Alone(index=1, workers=2).check_same("notes", {"a": 1})


def test_a_lost_worker_is_one_sentence(tmp_path):
    code = """
        import sys
        import tensorflow as tf
        from nsynth_vae.cli.failures import guarded
        from nsynth_vae.training import cluster
        from nsynth_vae.training.membership import Membership

        def main():
            with cluster.lost_worker_named(Membership(("a:1", "b:1"), 1)):
                raise tf.errors.UnavailableError(None, None, "{{node x}} Socket closed\\nmore")

        code = guarded(main, "train", debug=False)
        import os
        os.write(2, b"of C++")
        sys.exit(code)
    """
    root = pathlib.Path(workers.__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=root)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == (
        "error: worker 1 of 2: another worker has ended or cannot be reached (Socket closed); the same command on all "
        "resumes from the last checkpoint"
    )


def test_a_process_of_its_own_shares_with_nobody():
    cluster, values = Cluster(), np.arange(3.0)
    assert cluster.is_chief
    assert cluster.share({"a": [1, None]}) == {"a": [1, None]}
    assert cluster.agree(2.5, interrupted=True) == (2.5, True)
    np.testing.assert_array_equal(cluster.sum(values), values)
    cluster.check_same("notes", {"a": 1})
    cluster.barrier()
