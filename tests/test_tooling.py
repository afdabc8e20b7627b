"""Rules of the code and its tools that no linter checks: sizes, private names, versions, the words of the field."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "nsynth_vae"
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "docs" / "tour.ipynb"])

WORDS = {
    r"\bevening\b|\bevened\b|--even\b|--no-even\b": "equalise, brightness equaliser",
    r"straight way": "linear interpolation",
    r"rises on \d": "effect rate",
    r"turned away": "projected out",
    r"steps of z\b": "latent perturbations",
    r"\bmerits?\b": "score",
    r"asked pitch": "target pitch",
    r"learnt by heart|knows? by heart": "overfitted",
    r"recolou?r|--blended|--transposed|cross.note": "EQ augmentation, mixup, pitch-shift augmentation",
    r"\w-share\b|\w_share\b": "fraction, probability",
    r"running mean of (the )?weights|weight[_ ]average": "exponential moving average (EMA) of the weights",
    r"trust in the mel": "confidence mask",
    r"drift of the pitch": "f0 deviation, detuning",
    r"off-harmonic": "residual energy ratio",
    r"model facts|\bFACTS\b": "metadata",
    r"\baside\b": "temporary file",
    r"(?<!on-)\bbad notes?\b": "invalid note",
    r"\bis told\b|\bare told\b": "is conditioned on",
}
"""Private words, by regular expression, and what the field says; some are allowed in `ALLOWED` places."""

ALLOWED = {
    # What failed, under the names that its numbers were published with.
    "docs/experiments.md": r"cross.note",
    # The names of version 0.1, that old model folders have.
    "nsynth_vae/config/base.py": r"recolored_share|blended_share|cross.note\w*|weight_average|\w_share",
}


def name(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_pre_commit_has_the_versions_of_the_lint_environment():
    pinned = set((ROOT / "requirements-lint.txt").read_text().split())
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    dependencies = re.findall(r"additional_dependencies: \[(.*)\]", text)
    assert len(dependencies) == text.count("- id: ")
    assert {package for line in dependencies for package in line.split(", ")} == pinned
    assert all("==" in package for package in pinned)


def test_numpy_is_checked_in_the_version_that_is_installed():
    numpy = re.compile(r"^numpy==\S+", re.MULTILINE)
    assert numpy.findall((ROOT / "requirements-lint.txt").read_text()) == numpy.findall(
        (ROOT / "requirements.txt").read_text()
    )


def test_no_module_is_long():
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length >= 300} == {}


def test_the_package_itself_has_few_files():
    assert sum(path.is_file() for path in PACKAGE.iterdir()) <= 26


def private_names(tree: ast.AST) -> set[str]:
    """Return the private names that a module takes from other modules of the package."""
    imported, found = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("nsynth_vae")):
            found |= {alias.name for alias in node.names if re.match(r"_[^_]", alias.name)}
            imported |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name for alias in node.names if alias.name.startswith("nsynth_vae")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr) and ast.unparse(node.value) in imported:
            found.add(f"{ast.unparse(node.value)}.{node.attr}")
    return found


def test_no_module_uses_a_private_name_of_another():
    assert {name(path): found for path in MODULES if (found := private_names(ast.parse(path.read_text())))} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from nsynth_vae.files import _former", {"_former"}),
        ("from nsynth_vae import files\nfiles._former()", {"files._former"}),
        ("import nsynth_vae.files\nnsynth_vae.files._former()", {"nsynth_vae.files._former"}),
        ("from nsynth_vae import __version__\nfrom os import _exit\nself._own = files._former", set()),
    ],
)
def test_private_names_are_found(code, found):
    assert private_names(ast.parse(code)) == found


def private_words(path: str, text: str) -> list[str]:
    """Return the lines of a file with a word of `WORDS`, and which word."""
    allowed = ALLOWED.get(path)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        left = re.sub(allowed, "", line, flags=re.IGNORECASE) if allowed else line
        found += [
            f"{path}:{number}: {match[0]!r}, expected: {better}"
            for pattern, better in WORDS.items()
            for match in re.finditer(pattern, left, re.IGNORECASE)
        ]
    return found


def test_words_are_those_of_the_field():
    files = {name(path): path.read_text(encoding="utf-8") for path in (*MODULES, *PAGES)}
    assert [found for path, text in files.items() for found in private_words(path, text)] == []


def test_private_words_are_found():
    assert private_words("a.md", "fine\nRecolored notes") == [
        "a.md:2: 'Recolor', expected: EQ augmentation, mixup, pitch-shift augmentation"
    ]
    assert private_words("docs/experiments.md", "cross-note recolored") != []
    assert private_words("docs/experiments.md", "half cross-note") == []
