"""Documentation pages: links, commands, options, examples, figures and the site."""

import importlib
import importlib.util
import json
import pathlib
import re
import shlex
import sys

import numpy as np
import PIL.Image
import pytest
import soundfile

from nsynth_vae.__main__ import import_command
from nsynth_vae.analysis.file_names import parse_file_name
from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.data.readers.samples import DEFAULT_VELOCITY
from nsynth_vae.notes import QUALITIES
from nsynth_vae.training.options import VaeOptions

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "exports/README.md",
        *(ROOT / "models").rglob("README.md"),
        ROOT / "nsynth_vae/data/starter_set/README.md",
    }
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\S*/)?(?:python3? -m nsynth_vae\.|nsynth-vae )(\w+)(.*)")
FIRST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m nsynth_vae.train"
)
SECOND_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m pytest"


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: pathlib.Path) -> str:
    """Return the page without its code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: pathlib.Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: pathlib.Path) -> list[tuple[str, list[str]]]:
    """Return (module, arguments) of each `python -m nsynth_vae.*` or `nsynth-vae *` in code, in blocks and lines."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    blocks = [line for line in text.splitlines() if COMMAND.search(line) and "`" not in line]
    found = []
    for line in inline + blocks:
        for part in line.split("&&"):
            match = COMMAND.fullmatch(part.strip())
            if match:
                found.append((f"nsynth_vae.{match[1]}", shlex.split(match[2], comments=True)))
    return found


def python_blocks(page: pathlib.Path) -> list[str]:
    return [code for _, kind, code in FENCE.findall(page.read_text(encoding="utf-8")) if kind == "python"]


def load_script(script: str = "make_figures"):
    """Return a script of docs/ as a module, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(script, ROOT / f"docs/{script}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_images_are_there(page):
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page, capsys):
    for module, arguments in commands(page):
        parser = import_command(module.removeprefix("nsynth_vae.")).make_parser()
        code = None
        try:
            parser.parse_args(arguments)
        except SystemExit as end:
            code = end.code
        assert not code, f"{module} {arguments}: {capsys.readouterr().err}"


def test_commands_are_found():
    readme, train, play = (commands(ROOT / page) for page in ("README.md", "docs/train.md", "docs/play.md"))
    assert ("nsynth_vae.train", []) in readme
    assert ("nsynth_vae.interpolate", ["flute", "guitar", "-o", "morph"]) in readme
    assert ("nsynth_vae.train", ["--data", "my-samples"]) in train
    assert ("nsynth_vae.train", ["--help"]) in train
    assert ("nsynth_vae.sample", ["--count", "16", "--pitch", "48-72", "-o", "new"]) in play
    assert min(len(found) for found in (readme, train, play)) >= 10


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_are_finished(page):
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"@@\w*@@|TODO|FIXME", text)


def test_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"    {FIRST_COMMAND}\n" in readme
    assert f"    {SECOND_COMMAND}\n" in readme
    for path in ("requirements.txt", "nsynth_vae/train.py", "tests"):
        assert (ROOT / path).exists()
    assert re.search(r"^pytest==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def test_options_of_the_training_page_exist_with_their_defaults():
    page = (ROOT / "docs/train.md").read_text(encoding="utf-8")
    parser = importlib.import_module("nsynth_vae.train").make_parser()
    known = {option for action in parser._actions for option in action.option_strings}
    named = {option for span in re.findall(r"`([^`\n]+)`", page) for option in re.findall(r"(?<!\S)--[\w-]+", span)}
    assert len(named) > 20
    assert named - known == set()
    default = Config()
    stated = dict(re.findall(r"^\| `(--[\w-]+)` \| ([\d.]+) \|", page, re.MULTILINE))
    assert {option: float(value) for option, value in stated.items()} == {
        "--latent-dim": default.model.latent_dim,
        "--channels": default.model.channels,
        "--beta": default.model.beta,
        "--adversary-weight": default.model.adversary_weight,
        "--eq-augmentation-probability": default.model.eq_augmentation_probability,
        "--floor-augmentation-probability": default.model.floor_augmentation_probability,
        "--mixup-probability": default.model.mixup_probability,
        "--pitch-shift-copies": default.model.pitch_shift_copies,
    }
    together = f"| {default.train.batch_size}, {default.train.learning_rate}, {default.train.seed} |"
    assert f"| `--batch-size`, `--learning-rate`, `--seed` {together}" in page
    assert f"| {VaeOptions.default_minutes:g} minutes |" in page


def test_file_names_of_the_training_page():
    page = (ROOT / "docs/train.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+\.(?:wav|flac|ogg|mp3))` \| (\w+) \| (\w+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(rows) == 7
    for file, instrument, pitch, velocity in rows:
        found = parse_file_name(pathlib.Path(file).stem)
        assert (found.instrument, str(found.pitch or "estimated")) == (instrument, pitch)
        assert (found.velocity or DEFAULT_VELOCITY) == int(velocity)


def test_numbers_of_the_concepts():
    text = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    audio, model = AudioConfig(), ModelConfig()
    for part in (
        f"{audio.num_spectrogram_bins} frequencies",
        f"= {audio.num_frames} frames",
        f"{audio.num_frames} x {audio.num_mel_bins} numbers",
        f"log_mel = (ln(mel + {audio.log_offset}) + {-audio.log_mel_center:g}) / {audio.log_mel_scale:g}",
        f"a few numbers z, here {model.latent_dim},",
        f"first {model.kl_warmup_steps} steps",
        f"first {model.free_nats} nats",
    ):
        assert part in text
    sizes = {
        "README.md": ["encodes a recorded note as {} ", "z ({} numbers)"],
        "docs/index.md": ["encodes a recorded note as {} numbers"],
        "exports/README.md": ["With the default options `latent_dim` is {}, "],
        "models/nsynth-small/README.md": ["A latent space of timbres in {} dimensions"],
    }
    for page, sentences in sizes.items():
        for sentence in sentences:
            assert sentence.format(model.latent_dim) in " ".join((ROOT / page).read_text(encoding="utf-8").split()), (
                page
            )
    examples = ROOT / "nsynth_vae/data/starter_set/starter-train/examples.json"
    notes = [note["qualities"] for note in json.loads(examples.read_text()).values()]
    bright, dark, fast = (QUALITIES.index(quality) for quality in ("bright", "dark", "fast_decay"))
    counts = [(sum(n[q] == 1 and n[fast] == 1 for n in notes), sum(n[q] == 1 for n in notes)) for q in (dark, bright)]
    assert counts == [(60, 195), (45, 216)]
    assert "60 of the 195 dark ones" in text
    assert "45 of the 216 bright ones" in text


def test_the_model_card_has_the_motion_of_the_page_of_motion():
    """By family, and what tells the notes from real ones, and velocity."""
    page, card = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("docs/motion.md", "models/nsynth-small/README.md")
    )
    table = re.search(r"^\| real / made \| notes \|.*?(?=\n\n)", page, re.MULTILINE | re.DOTALL)[0]
    assert table.count("\n") >= 4 + 10
    assert table in card
    numbers = re.search(r"\| told apart by five numbers \| all [\d.]+, sustained ([\d.]+), plucked ([\d.]+) \|", page)
    network = re.search(r"\| told apart by a network \| all ([\d.]+),", page)
    assert f"| {numbers[1]} / {numbers[2]}; {network[1]} |" in card
    gain = re.search(r"gain ([+-][\d.]+) nats", page)[1]
    brightness = re.search(r"brightness moves as in the real pair \| ([\d.]+)%", page)[1]
    assert f"| {float(gain):g} nats; {brightness} % |" in card


@pytest.mark.parametrize("hertz", [250.0, 1000.0, 4000.0])
def test_spectral_centroid_of_a_sine_is_its_frequency(hertz):
    from nsynth_vae import features

    config = AudioConfig()
    seconds = np.arange(config.num_samples) / config.sample_rate
    log_mel = features.log_mel(0.5 * np.sin(2 * np.pi * hertz * seconds).astype(np.float32), config).numpy()
    found = load_script().spectral_centroid(log_mel, config)
    # Half a frame of silence before and after the note spreads the first and the last frame.
    assert found == pytest.approx(hertz, rel=0.03)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with the README's layout: models, exports and the starter set, of a tiny, untrained model."""
    from nsynth_vae.exporters.model_export import export_model
    from nsynth_vae.model.vae import VAE

    folder = tmp_path_factory.mktemp("clone")
    config = Config(model=ModelConfig(latent_dim=4, channels=16))
    vae = VAE(config)
    vae.build()
    model = folder / "models/starter"
    model.mkdir(parents=True)
    config.save(model / "config.json")
    vae.save_weights(model / "model.weights.h5")
    (folder / "models/nsynth-small").symlink_to("starter")
    export_model(vae, config, folder / "exports")
    (folder / "nsynth_vae").symlink_to(ROOT / "nsynth_vae")
    return folder


@pytest.mark.slow
# docs/serving.md's example needs a server: tests/test_serving_docs.py runs it.
@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page) and page.stem != "serving"], ids=name)
def test_examples_run(page, tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    for code in python_blocks(page):
        exec(compile(code, name(page), "exec"), {})
    if page == ROOT / "README.md":
        audio, sample_rate = soundfile.read("violin-at-C3.wav")
        assert audio.shape == (64000,)
        assert sample_rate == 16000


@pytest.mark.slow
def test_figures_are_drawn(tiny, tmp_path, capsys):
    output, sounds = tmp_path / "figures", tmp_path / "sounds"
    arguments = ["--model", str(tiny / "models/starter"), "--output", str(output), "--sounds", str(sounds)]
    assert load_script().main(arguments) == 0
    names = ["arithmetic.png", "mel.png", "morph.png", "reparameterisation.png", "sounds.png", "vae.png"]
    assert sorted(path.name for path in output.iterdir()) == names
    for path in output.iterdir():
        with PIL.Image.open(path) as picture:
            assert 900 <= picture.width <= 1300
            assert 250 <= picture.height <= 700
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 16)) > 20
        assert path.stat().st_size < 300_000
    steps = {"morph": load_script().MORPH_STEPS, "flute": 1, "half-way": 1, "guitar": 1}
    assert sorted(path.stem for path in sounds.iterdir()) == sorted(steps)
    for name_, count in steps.items():
        audio, sample_rate = soundfile.read(sounds / f"{name_}.wav")
        assert sample_rate == 16000
        assert len(audio) == count * 1.5 * 16000
        assert np.std(audio) > 0
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_words_for_names_are_all_on_the_page():
    from nsynth_vae.latent.lookup import ALIASES

    table = (ROOT / "docs/latent.md").read_text().split("| name | other words |\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z_, ]+) \|$", table, re.MULTILINE)
    assert {alias: name_ for name_, aliases in rows for alias in aliases.split(", ")} == ALIASES


def test_what_the_page_of_the_latent_tools_shows_is_made_by_its_commands():
    script, page = load_script("make_latent_figures"), (ROOT / "docs/latent.md").read_text()
    assert sorted(arguments[-1] for _, arguments in script.commands()) == sorted(script.SHOWN)
    shown = {f"figures/{path}.png" for files in script.SHOWN.values() for f, path in files.items() if f.endswith("png")}
    shown |= {f"sounds/{path}.wav" for files in script.SHOWN.values() for f, path in files.items() if f.endswith("wav")}
    assert shown == set(re.findall(r"\(((?:figures|sounds)/[^)]+)\)", page))


@pytest.mark.slow
def test_figures_of_the_latent_tools_are_made(tmp_path, monkeypatch):
    """Of two of the commands: the others differ in what is run, which has tests of its own."""
    script = load_script("make_latent_figures")
    some = [command for command in script.commands() if command[1][-1] in ("violin", "new")]
    monkeypatch.setattr(script, "commands", lambda: some)
    paths = script.make_figures(tmp_path)
    assert [path.name for path in paths] == [
        "latent-violin.png",
        "latent-violin.wav",
        "latent-violin-bright.wav",
        "latent-samples.png",
        "latent-samples.wav",
    ]
    for path in paths:
        if path.suffix == ".png":
            with PIL.Image.open(path) as picture:
                assert picture.width > 400
                assert len(picture.getcolors()) > 20
        else:
            audio, sample_rate = soundfile.read(path)
            assert sample_rate == 16000
            assert len(audio) >= 64000
            assert 0.02 < np.abs(audio).max() < 1


def test_figures_of_no_model_are_an_error(tmp_path, capsys):
    assert load_script().main(["--model", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none'}: ")


def test_pages_that_are_to_be_short_are():
    lengths = {page: len((ROOT / page).read_text().splitlines()) for page in ("README.md", "docs/model.md")}
    assert lengths["README.md"] <= 130
    assert lengths["docs/model.md"] <= 120


def test_every_page_of_docs_is_in_the_navigation_of_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    named = re.findall(r"[\w/-]+\.md", navigation)
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages <= set(named)
    for page in named:
        assert (ROOT / "docs" / page).exists() or (ROOT / page).exists()
