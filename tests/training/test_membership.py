"""Clusters that the environment names, by TF_CONFIG or SLURM, and a sentence for what is wrong."""

import json

import pytest

from nsynth_vae.errors import InputError
from nsynth_vae.training.membership import Membership, find_membership, parse_tf_config

KUBEFLOW = {
    "cluster": {"chief": ["a-chief-0.default.svc:2222"], "worker": ["a-worker-0.default.svc:2222", "b:2222"]},
    "environment": "cloud",
}


def config(kind="worker", index=0, **cluster):
    return json.dumps({"cluster": cluster or {"worker": ["a:1", "b:2"]}, "task": {"type": kind, "index": index}})


def test_workers_are_in_the_order_of_tf_config_the_chief_first():
    assert parse_tf_config(config(index=1)) == Membership(("a:1", "b:2"), 1)
    for kind, index, place in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        found = parse_tf_config(json.dumps(KUBEFLOW | {"task": {"type": kind, "index": index}}))
        assert found == Membership(("a-chief-0.default.svc:2222", "a-worker-0.default.svc:2222", "b:2222"), place)
    assert find_membership({"TF_CONFIG": config(), "SLURM_PROCID": "1"}) == Membership(("a:1", "b:2"), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found '', expected {\"cluster\""),
        ("[]", "found '\\[\\]', expected"),
        ("[" * 100_000, r"\[\.\.\.', expected"),
        ('{"cluster": {}}', 'expected {"cluster"'),
        ('{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}', 'expected {"cluster"'),
        (config(ps=["a:1"], worker=["b:1"]), "found ps, expected only workers"),
        (config(chief=["a:1", "b:1"]), "found several chiefs"),
        (config(worker=["a"]), "found the address 'a', expected host:port"),
        (config(worker=[7]), "found the address '7', expected host:port"),
        (config(worker=["a:1", "a:1"]), "found an address twice"),
        (config(index=2), "found task 2 of 'worker', expected one of the cluster's: worker 0 to 1"),
        (config(index="0"), "found task 0 of 'worker'"),
        (config(kind="evaluator"), "found task 0 of 'evaluator'"),
        (config(kind=None), "found task 0 of 'None'"),
        (config(worker=[]), "it has none"),
    ],
)
def test_what_is_wrong_in_tf_config_is_said(text, message):
    with pytest.raises(InputError, match=f"TF_CONFIG: .*{message}"):
        parse_tf_config(text)


def test_no_cluster_at_all_is_an_error_that_names_the_launcher():
    with pytest.raises(InputError, match=r"found neither TF_CONFIG nor SLURM_PROCID.*nsynth_vae\.launch 2 -- COMMAND"):
        find_membership({})


def slurm(monkeypatch, nodes="node[9-10]", tasks="2(x2)", rank="2", number="4", **more):
    values = {"STEP_NODELIST": nodes, "STEP_TASKS_PER_NODE": tasks, "PROCID": rank, "STEP_NUM_TASKS": number} | more
    environment = {f"SLURM_{name}": value for name, value in values.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def test_slurm_tasks_are_in_the_order_of_its_nodes(monkeypatch):
    found = find_membership(slurm(monkeypatch))
    # Sorted by name, node10 would come before node9, and the third task be on another machine than it is.
    assert found == Membership(("node9:8888", "node9:8889", "node10:8888", "node10:8889"), 2)
    environment = slurm(monkeypatch, nodes="gpu03", tasks="1", rank="0", number="1") | {"NSYNTH_VAE_PORT": "9000"}
    assert find_membership(environment) == Membership(("gpu03:9000",), 0)


def test_what_is_wrong_in_slurms_variables_is_said(monkeypatch):
    with pytest.raises(InputError, match="found no SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST"):
        find_membership({"SLURM_PROCID": "0"})
    with pytest.raises(InputError, match=r"SLURM: found SLURM_PROCID=2, .*TASKS_PER_NODE=some .*, expected those of"):
        find_membership(slurm(monkeypatch, tasks="some"))
    with pytest.raises(InputError, match=r"task 7 of 4"):
        find_membership(slurm(monkeypatch, rank="7"))
