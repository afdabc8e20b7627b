"""Files of deploy/: their form, and that the commands in them are this package's."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from nsynth_vae import cli, train
from nsynth_vae.config import Config
from nsynth_vae.training.options import VaeOptions

DEPLOY = pathlib.Path(__file__).parents[1] / "deploy"


def parsed(arguments):
    options = train.make_parser().parse_args(arguments)
    return cli.config_from(options, Config), cli.options_from(options, VaeOptions)


@pytest.mark.tools
def test_the_tfjob_has_a_chief_and_workers_that_run_one_command():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((DEPLOY / "tfjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    replicas = job["spec"]["tfReplicaSpecs"]
    assert set(replicas) == {"Chief", "Worker"}
    assert replicas["Chief"]["replicas"] == 1
    assert replicas["Chief"]["template"] == replicas["Worker"]["template"]
    [container] = replicas["Chief"]["template"]["spec"]["containers"]
    # Names that the operator looks for.
    assert container["name"] == "tensorflow"
    assert [port["name"] for port in container["ports"]] == ["tfjob-port"]
    assert container["command"] == ["python", "-m", "nsynth_vae.train"]
    config, options = parsed(container["args"])
    assert options.strategy == "multi-worker"
    assert config.train.batch_size % (1 + replicas["Worker"]["replicas"]) == 0
    volumes = {volume["name"] for volume in replicas["Chief"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_slurm_script_is_valid_and_runs_one_command_on_all_nodes():
    script = DEPLOY / "train.sbatch"
    text = script.read_text(encoding="utf-8")
    if bash := shutil.which("bash"):
        subprocess.run([bash, "-n", str(script)], check=True)
    given = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(\S*)", text, re.MULTILINE))
    assert set(given) >= {"nodes", "ntasks-per-node", "time", "signal", "requeue"}
    command = re.search(r"nsynth_vae\.train (.*?) \"\$@\"", text, re.DOTALL)[1].replace("\\\n", " ")
    config, options = parsed(shlex.split(command))
    assert options.strategy == "multi-worker"
    assert config.train.batch_size % (int(given["nodes"]) * int(given["ntasks-per-node"])) == 0
