"""The latent explorer in headless Chromium: that it shows what the model gives, and what becomes of
its controls, links, files and faults.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from conftest import PATIENCE, command, sentence, succeed_here, wait_for_lines
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from keras_infogan import datasets, framing, onnx_model
from keras_infogan.config import UserError
from keras_infogan.export import __main__ as export_command
from keras_infogan.export import web_runtime
from keras_infogan.latents import Noise
from keras_infogan.serving import client, explore

pytest.importorskip("onnxruntime")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
TIMEOUT = 1000 * PATIENCE  # milliseconds
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def explorer(digits_run, exported, few_latents, tmp_path_factory):
    """A copy of `exported` to which the explorer was added."""
    try:
        web_runtime.files()
    except UserError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("explorer") / "export"
    shutil.copytree(exported, directory)
    succeed_here(
        "export",
        f"--run_dir={digits_run}",
        f"--export_dir={directory}",
        "--rename=slant=tilt",
        "--formats=web",
        "--unit_layer=activation_3",
    )
    return directory


@contextlib.contextmanager
def _served(directory):
    """The address at which the explore command offers a directory."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "keras_infogan.serving.explore",
            f"--export_dir={directory}",
            "--nobrowser",
            "--port=0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield re.findall(r"http://localhost:\d+/", process.stdout.readline())[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def address(explorer):
    with _served(explorer) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with (
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as launched,
    ):
        yield launched


@pytest.fixture
def opened(browser, address):
    """A function (fragment of the address, options of the context) -> the page, ready.

    No error may reach its console, nor a request another machine.
    """
    contexts, said = [], []

    def go(fragment="", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: said.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "blob:", "data:"))
                else said.append(request.url)
            ),
        )
        page.goto(address + fragment)
        page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def model(explorer):
    return onnx_model.load(explorer / "web" / "generator.onnx")


def _shown(page, canvas="#image"):
    """The pixels of a canvas, uint8 (height, width): its context must have bypass_csp."""
    data = page.evaluate(
        "canvas => { const c = document.querySelector(canvas); return "
        "[...c.getContext('2d').getImageData(0, 0, c.width, c.height).data] }",
        canvas,
    )
    return np.array(data, np.uint8).reshape(16, 16, 4)[..., 0]


def _soon(page, condition):
    """Waits until `condition()` is true: what a control asks for is drawn, or said, a moment later.

    Returns whether it came to be.
    """
    for _ in range(TIMEOUT // 20):
        if condition():
            return True
        page.wait_for_timeout(20)
    return False


def _shows(page, expected, canvas="#image", within=0.51):
    """Whether a canvas comes to show what is expected, in gray levels."""
    return _soon(page, lambda: np.abs(_shown(page, canvas) - expected).max() <= within)


def _expected(model, seed, digit, tilt):
    """What the model gives, (16, 16) in [0, 1], of a digit's weights, the tilt and
    the noise's seed.
    """
    spec = model.latent_spec
    latents = spec.pack(
        {
            "noise": spec.noise.from_seeds(np.array([seed])),
            "digit": np.array([digit]),
            "tilt": np.array([[tilt]]),
        }
    )
    return (model.generate(latents)[0, ..., 0] + 1) / 2


def test_the_folder_is_complete_and_the_export_beside_it_untouched(explorer, exported):
    for name in ("generator.onnx", "recognizer.onnx", "generator.json", "README.md"):
        assert (explorer / name).read_bytes() == (exported / name).read_bytes()
    content = json.loads((explorer / "web" / "generator.json").read_text())
    assert content["categories"] == "weights"
    assert {(row["file"], row["signature"]) for row in content["parity"]} == {
        ("generator.onnx", "generator"),
        ("recognizer.onnx", "recognizer"),
        ("editor.onnx", "editor"),
    }
    page = (explorer / "web" / "index.html").read_text()
    assert not re.search(r"(src|href)=\"https?:", page)
    assert "Microsoft" in (explorer / "web" / "licenses.txt").read_text()


def test_it_gives_what_onnx_runtime_gives_in_python(opened, model):
    page = opened(bypass_csp=True)
    script = """async (texts) => {
        const { Models } = await import("./models.js");
        const { readContract, middle, fromText } = await import("./latents.js");
        const contract = readContract(await (await fetch("generator.json")).json());
        const read = ([seed, codes]) => fromText(contract, middle(contract), codes, String(seed));
        const states = texts.map((text) => read(text).state);
        return (await new Models(contract, () => {}).generate(states)).map((pixels) => [...pixels]);
    }"""
    cases = [
        (0, "digit=0,tilt=0"),
        (1, "digit=9,tilt=-1"),
        (4294967295, "digit=3,tilt=2"),
        (77, "digit=2:0.25+7:0.75,tilt=0.5"),
    ]
    weights = [
        np.eye(10)[0],
        np.eye(10)[9],
        np.eye(10)[3],
        0.25 * np.eye(10)[2] + 0.75 * np.eye(10)[7],
    ]
    expected = [
        _expected(model, seed, digit, tilt)
        for (seed, _), digit, tilt in zip(cases, weights, (0, -1, 2, 0.5), strict=True)
    ]
    np.testing.assert_allclose(
        np.array(page.evaluate(script, cases)).reshape(-1, 16, 16), expected, atol=1e-5
    )


def test_a_seed_is_the_same_noise_in_the_browser(opened):
    page = opened(bypass_csp=True)
    seeds = [0, 1, 2**31, 2**32 - 1, 123456789]
    script = """async ([seeds, normal]) => {
        const { noiseFromSeed } = await import("./latents.js");
        return seeds.map((seed) => [...noiseFromSeed(seed, 62, normal)]);
    }"""
    np.testing.assert_array_equal(
        np.float32(page.evaluate(script, [seeds, False])),
        Noise(62, "uniform").from_seeds(np.array(seeds)),
    )
    np.testing.assert_allclose(
        page.evaluate(script, [seeds, True]),
        Noise(62, "normal").from_seeds(np.array(seeds)),
        atol=1e-6,
    )


def test_controls_change_the_picture(opened, model):
    page = opened("#seed=5&codes=digit=3,tilt=0.5", bypass_csp=True)
    assert _shows(page, _expected(model, 5, np.eye(10)[3], 0.5) * 255)
    slider = page.get_by_role("slider", name="tilt")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.51"
    assert _shows(page, _expected(model, 5, np.eye(10)[3], 0.51) * 255)
    slider.fill("-1.5")
    page.locator(".categories label", has_text="7").first.click()
    assert _shows(page, _expected(model, 5, np.eye(10)[7], -1.5) * 255)
    page.get_by_role("button", name="Blend").click()
    half = 0.5 * np.eye(10)[7] + 0.5 * np.eye(10)[8]
    assert _shows(page, _expected(model, 5, half, -1.5) * 255)
    page.get_by_role("button", name="Blend").click()
    page.locator("#seed").fill("6")
    page.keyboard.press("Enter")
    assert _shows(page, _expected(model, 6, np.eye(10)[7], -1.5) * 255)
    page.locator("h1").click()
    page.keyboard.press("n")
    assert _soon(page, lambda: page.locator("#seed").input_value() != "6")


def test_units_are_switched_off_and_restored(opened, model, explorer):
    editor = onnx_model.load(explorer / "web" / "editor.onnx")
    assert editor.units is not None
    spec, count = editor.latent_spec, len(editor.units.segments)
    latents = spec.pack(
        {
            "noise": spec.noise.from_seeds(np.array([5])),
            "digit": np.eye(10)[[3]],
            "tilt": np.array([[0.5]]),
        }
    )
    gains, switched_off = np.ones((1, count), np.float32), range(1, count // 2 + 1)
    gains[0, switched_off] = 0
    edited = (editor.edit(latents, gains)[0, ..., 0] + 1) / 2 * 255
    plain = _expected(model, 5, np.eye(10)[3], 0.5) * 255
    assert np.abs(edited - plain).max() > 2
    page = opened("#seed=5&codes=digit=3,tilt=0.5", bypass_csp=True)
    assert page.get_by_role("slider", name="gain of unit").count() == count
    for unit in switched_off:
        page.get_by_role("slider", name=f"gain of unit {unit}", exact=True).fill("0")
    assert _shows(page, edited)
    page.locator("#keep").click()
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 1)
    page.get_by_role("button", name="All as they are").click()
    assert _shows(page, plain)
    page.reload()
    page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 1)
    page.locator("#kept .picture").click()
    assert _shows(page, edited)
    page.get_by_role("button", name="Copy link").click()
    assert "unit_gain=1%3A0%2C2%3A0" in page.url
    other = opened(page.url.partition("/#")[2].join(("#", "")), bypass_csp=True)
    assert _shows(other, edited)
    strange = opened("#unit_gain=9999:0", bypass_csp=True)
    assert strange.inner_text("#alert").startswith("The link asks for something that this model")


def test_the_grid_shows_two_codes_and_its_images_are_taken_and_kept(opened, model):
    page = opened("#seed=5&codes=digit=0,tilt=0&rows=digit&columns=tilt", bypass_csp=True)
    assert page.locator("#grid button").count() == 10 * 9
    page.locator("#grid button").nth(4 * 9 + 8).click()  # digit 4, tilt 2
    assert _shows(page, _expected(model, 5, np.eye(10)[4], 2.0) * 255)
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 1)
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Keep", exact=True).click()
    page.reload()
    page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 2)  # newest first
    page.locator("#kept .picture").nth(1).click()
    assert _soon(page, lambda: page.locator(".value").all_inner_texts() == ["4", "+2.00"])
    page.locator("#kept .remove").first.click()
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 1)
    page.locator("#rows").select_option("noise")
    assert _soon(page, lambda: page.locator("#grid button").count() == 7 * 9)


def test_a_traversal_plays_until_it_is_stopped(opened):
    page = opened()
    play = page.get_by_role("button", name="Play tilt")
    play.click()
    page.wait_for_timeout(700)
    assert play.get_attribute("aria-pressed") == "true"
    value = page.locator(".value").nth(1).inner_text()
    assert _soon(page, lambda: page.locator(".value").nth(1).inner_text() != value)
    play.click()
    value = page.locator(".value").nth(1).inner_text()
    page.wait_for_timeout(300)
    assert page.locator(".value").nth(1).inner_text() == value


def test_files_are_saved(opened, model, tmp_path):
    page = opened("#seed=5&codes=digit=3,tilt=0.5")

    def save(button):
        with page.expect_download(timeout=TIMEOUT) as download:
            button.click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    with Image.open(save(page.locator("#save-png"))) as png:
        assert png.size == (256, 256)
        pixels = np.asarray(png.convert("L"))[8::16, 8::16]
    assert np.abs(pixels - _expected(model, 5, np.eye(10)[3], 0.5) * 255).max() <= 0.51
    with Image.open(save(page.locator("#save-gif"))) as gif:
        assert isinstance(gif, GifImageFile)
        assert (gif.size, gif.n_frames, gif.info.get("loop")) == ((256, 256), 48, 0)
        gif.seek(24)
        shown = np.asarray(gif.convert("L"))[8::16, 8::16]
    assert np.abs(shown - _expected(model, 5, np.eye(10)[3], 2.0) * 255).max() <= 0.51
    with Image.open(save(page.locator("#save-grid"))) as grid:
        assert grid.size == (9 * 50 - 2, 10 * 50 - 2)
    page.get_by_role("textbox", name="name of tilt").fill("lean")
    page.keyboard.press("Enter")
    path = save(page.locator("#save-names"))
    # By the name in training, from which the next export renames.
    assert export_command.parse_renames(str(path)) == {"slant": "lean"}


def test_names_are_checked_and_stay(opened):
    page = opened()
    name = page.get_by_role("textbox", name="name of digit")
    for bad in ("two words", "seed", "tilt", "TILT", "x_std", "class", "None"):
        name.fill(bad)
        assert page.locator(".name:invalid").count() == 1, bad
        page.keyboard.press("Enter")
        assert name.input_value() == "digit"
        assert page.inner_text("#alert").startswith("digit keeps its name: ")
    name.fill("figure")
    page.keyboard.press("Enter")
    name.fill("")
    page.keyboard.press("Enter")
    assert name.input_value() == "digit"
    name.fill("figure")
    page.keyboard.press("Enter")
    page.reload()
    page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)
    assert page.get_by_role("textbox", name="name of digit").input_value() == "figure"
    assert "figure" in page.locator("#rows").inner_text()


def test_what_a_browser_kept_outlives_a_renaming_export_and_damage(opened, browser, address):
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()

    def reload(renamed=None):
        page.unroute_all()
        if renamed:
            page.route(
                "**/generator.json",
                lambda route: route.fulfill(
                    body=(route.fetch()).text().replace('"name": "tilt"', f'"name": "{renamed}"')
                ),
            )
        page.goto(address)
        page.reload()
        page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)

    reload()
    page.get_by_role("slider", name="tilt").fill("1.5")
    page.get_by_role("textbox", name="name of tilt").fill("lean")
    page.keyboard.press("Enter")
    page.locator("#keep").click()
    assert _soon(page, lambda: page.locator("#kept .picture").count() == 1)
    stored = page.evaluate("Object.keys(localStorage)")
    assert len(stored) == 2  # the names, and what is kept
    reload()
    page.locator("#kept .picture").click()
    assert page.locator(".value").all_inner_texts() == ["0", "+1.50"]
    page.goto(f"{address}#names=slant=theirs")
    page.reload()
    page.wait_for_selector("#grid[data-drawn]", timeout=TIMEOUT)
    assert page.get_by_role("textbox", name="name of tilt").input_value() == "theirs"
    reload()
    # A link's names are for one visit.
    assert page.get_by_role("textbox", name="name of tilt").input_value() == "lean"
    for damaged in (
        "{}",
        "5",
        "[null]",
        "[[1, 5]]",
        '[["slant", 5]]',
        '[["slant", "digit"]]',
        '[[{"toString": 5}, "slant=1"]]',
        '[[1, "slant=1", {"toString": 5}]]',
        '[[1, "slant=1", "9999:0"]]',
        f'[[{"[" * 9000}{"]" * 9000}, "slant=1"]]',
        '[[null, "slant=1"], [1.5, "slant=1"], [-1, "slant=1"], [4294967296, "slant=1"]]',
        "[" * 100_000,
        "nonsense",
    ):
        page.evaluate(
            "([keys, value]) => keys.forEach((key) => localStorage.setItem(key, value))",
            [stored, damaged],
        )
        reload()
        page.wait_for_timeout(200)  # what would be shown wrongly may come a moment later
        assert page.locator("#alert").is_hidden()
        assert page.get_by_role("textbox", name="name of tilt").input_value() == "tilt"
        assert page.locator("#kept .picture").count() == 0
    context.close()


def test_a_kept_image_stays_what_it_was_when_the_next_export_renames_its_codes(opened):
    script = """async () => {
        const { fromText, middle, readContract, toText } = await import("./latents.js");
        const content = await (await fetch("generator.json")).json();
        const contract = readContract(content), codes = "digit=3:0.25+7:0.75,tilt=-1.5";
        const { state } = fromText(contract, middle(contract), codes, "9");
        content.inputs[1].name = "lean";
        const renamed = readContract(content);
        return fromText(renamed, middle(renamed), toText(contract, state), "9").state;
    }"""
    kept = opened(bypass_csp=True).evaluate(script)
    assert kept == {
        "seed": 9,
        "values": {"digit": {"category": 3, "other": 7, "mix": 0.75}, "lean": -1.5},
        "gains": {},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tilt=.5", 0.5),
        ("tilt=1e-1", 0.1),
        ("tilt=2.5", None),
        ("tilt=", None),
        ("digit=3:1", {"category": 3, "other": 3, "mix": 0}),
        ("digit=3:0.1+7:0.5", None),
        ("digit=1:0.5+2:0.25+3:0.25", None),
        ("digit=3:+7:", None),
        ("digit=1.5", None),
        ("bit=0.25", {"category": 0, "other": 1, "mix": 0.25}),
        ("bit=1", {"category": 1, "other": 1, "mix": 0}),
        ("bit=2", None),
    ],
)
def test_codes_in_a_link_are_read_as_the_client_reads_them_or_not_at_all(opened, text, value):
    script = """async ([text, name]) => {
        const { fromText, toText } = await import("./latents.js");
        const tilt = { trainedAs: "tilt", range: [-2, 2] };
        const digit = { trainedAs: "digit", discrete: true, categories: 10 };
        const bit = { trainedAs: "bit", discrete: true, bit: true, categories: 2 };
        const codes = [tilt, digit, bit].map((code) => ({ ...code, name: code.trainedAs }));
        const none = { category: 0, other: 0, mix: 0 };
        const state = { seed: 1, values: { tilt: 0, digit: none, bit: none } };
        const { state: restored, strange } = fromText({ codes }, state, text);
        return [strange ? null : restored.values[name], toText({ codes }, restored)];
    }"""
    read, written = opened(bypass_csp=True).evaluate(script, [text, text.split("=")[0]])
    assert read == value
    assert set(client.parse_codes(written)) == {"tilt", "digit", "bit"}


def test_a_link_restores_what_was_seen(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("slider", name="tilt").fill("-0.75")
    page.locator(".categories label", has_text="8").first.click()
    page.get_by_role("button", name="Blend").click()
    page.locator("#columns").select_option("digit")
    page.locator("#rows").select_option("tilt")
    page.get_by_role("textbox", name="name of tilt").fill("lean")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copy link").click()
    assert _soon(page, lambda: "Copied" in page.inner_text("#status"))
    other = opened(page.url.partition("/#")[2].join(("#", "")))
    assert other.locator(".value").all_inner_texts() == ["8 · 9", f"{MINUS}0.75"]
    assert [other.locator(f"#{name}").input_value() for name in ("rows", "columns")] == [
        "tilt",
        "digit",
    ]
    assert other.get_by_role("textbox", name="name of tilt").input_value() == "lean"


def test_a_strange_link_harms_nothing(opened):
    page = opened(
        "#seed=-1&codes=digit=99,tilt=<img src=x "
        "onerror=alert(1)>,color=3&names=digit=<b>,slant=digit&rows=nowhere"
    )
    assert (
        page.inner_text("#alert")
        == "The link asks for 5 things that this model does not have; the rest was restored."
    )
    assert page.locator(".value").all_inner_texts() == ["0", "+0.00"]
    assert page.get_by_role("textbox", name="name of digit").input_value() == "digit"


def test_a_real_image_is_read(opened, explorer, tmp_path, model):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "real.png")
    page = opened(bypass_csp=True)
    page.set_input_files("#file", tmp_path / "real.png")
    page.wait_for_selector("#read:not([hidden])", timeout=TIMEOUT)
    assert _shows(page, pixels, "#seen", within=0)
    recognizer = onnx_model.load(explorer / "web" / "recognizer.onnx", ("encode",))
    answers = recognizer.outputs(datasets.to_float(pixels[None, ..., None]))
    digit, tilt = int(answers["digit"][0]), float(answers["tilt"][0])
    rows = page.locator("#answers tr").all_inner_texts()
    assert (
        rows[0]
        .split("\t")[1]
        .startswith(f"{digit} ({round(float(answers['digit_probabilities'][0, digit]) * 100)}%)")
    )
    assert rows[1].split("\t")[1] == f"{tilt:+.2f} ± {answers['tilt_std'][0]:.2f}".replace(
        "-", MINUS
    )
    assert _shows(page, _expected(model, 1, np.eye(10)[digit], tilt) * 255, "#remade", within=0.6)
    page.get_by_role("button", name="Take these codes").click()
    assert _shows(page, _expected(model, 1, np.eye(10)[digit], tilt) * 255, within=0.6)
    page.locator("#invert").check()
    assert _shows(page, 255 - pixels, "#seen", within=0)
    page.locator("#invert").uncheck()
    photo = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    page.set_input_files("#file", tmp_path / "photo.png")
    seen = framing.prepare(Image.fromarray(photo), (16, 16, 1), framing.CROPPED)[..., 0]
    assert _shows(page, seen, "#seen", within=1)
    (tmp_path / "text.png").write_text("no image")
    page.set_input_files("#file", tmp_path / "text.png")
    page.wait_for_selector("#alert:not([hidden])", timeout=TIMEOUT)
    assert (
        page.inner_text("#alert")
        == "text.png is no image that this browser can read; give a PNG or JPEG."
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_and_touch(opened, scheme):
    page = opened(
        viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    assert page.locator("html").bounding_box()["width"] <= 360
    assert (
        max(
            box["x"] + box["width"]
            for box in (
                one.bounding_box() for one in page.locator("#codes *:visible, #grid *").all()
            )
        )
        <= 360
    )
    page.locator(".categories label", has_text="5").first.tap()
    assert page.locator(".value").first.inner_text() == "5"


def test_faults_are_said(browser, explorer, tmp_path):
    def alert(directory, script=None):
        page = browser.new_page()
        if script:
            page.add_init_script(script)
        with _served(directory) as url:
            page.goto(url)
            page.wait_for_selector("#alert:not([hidden])", timeout=TIMEOUT)
        text = page.inner_text("#alert")
        page.close()
        return text

    assert "no WebAssembly with SIMD" in alert(explorer, "WebAssembly.validate = () => false")
    assert "no WebAssembly with SIMD" in alert(explorer, "delete window.WebAssembly")
    broken = tmp_path / "web"
    shutil.copytree(explorer / "web", broken)
    (broken / "generator.onnx").write_bytes(b"nonsense")
    assert "generator.onnx is damaged" in alert(tmp_path)
    (broken / "generator.onnx").unlink()
    assert "generator.onnx cannot be loaded (status 404)" in alert(tmp_path)
    (broken / "onnxruntime-web.js").unlink()
    assert "The runtime could not be started" in alert(tmp_path)


def test_an_explorer_is_put_in_no_other_place(digits_run, explorer, tmp_path):
    (tmp_path / "site" / "web").mkdir(parents=True)
    (tmp_path / "site" / "web" / "thesis.txt").write_text("precious")
    message = sentence(
        command(
            "export",
            f"--run_dir={digits_run}",
            f"--export_dir={tmp_path / 'site'}",
            "--formats=web",
        )
    )
    assert "web is not an explorer, whose place it has" in message
    assert (tmp_path / "site" / "web" / "thesis.txt").read_text() == "precious"


def test_a_browser_that_waits_and_one_that_hangs_up(explorer, tmp_path):
    flags = [f"--export_dir={explorer}", "--port=0"]
    environment = {**os.environ, "BROWSER": "sh -c 'sleep 5' %s"}
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_infogan.serving.explore", *flags],
            stdout=file,
            stderr=file,
            env=environment,
        )
    wait_for_lines(log, process, 1)
    port = int(re.findall(r"localhost:(\d+)", log.read_text())[0])
    for _ in range(5):
        with socket.create_connection(("localhost", port), timeout=PATIENCE) as closed:
            # A reset, not a farewell.
            closed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            closed.sendall(b"GET /generator.onnx HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with urllib.request.urlopen(
        f"http://localhost:{port}/generator.json", timeout=PATIENCE
    ) as answer:
        assert json.load(answer)["name"] == "digits-infogan"
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    assert "Traceback" not in log.read_text()


def test_only_files_are_handed_out_and_with_the_pages_own_policy(address, explorer):
    def get(path, host="localhost"):
        with socket.create_connection(("localhost", port), timeout=PATIENCE) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body

    port = int(re.findall(r":(\d+)", address)[0])
    page = (explorer / "web" / "index.html").read_bytes()
    status, headers, body = get("/")
    assert (status, body) == (200, page)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page.decode())
    assert headers["content-security-policy"] == f"{policy}; frame-ancestors 'none'"
    for path in ("/", "/nothing"):
        assert get(path)[1]["x-content-type-options"] == "nosniff"
    for path, kind in (("explorer.js", "text/javascript"), ("generator.json", "application/json")):
        assert get(f"/{path}")[1]["content-type"].startswith(kind)
    (explorer / "web" / "folder").mkdir(exist_ok=True)
    (explorer / "web" / "outside").unlink(missing_ok=True)
    (explorer / "web" / "outside").symlink_to(explorer / "generator.onnx")
    for path in (
        "/folder",
        "/folder/",
        "/%00",
        "/explorer.js%00",
        "/../generator.onnx",
        "/%2e%2e/generator.onnx",
        "//etc/passwd",
        "/outside",
        "/" + "a" * 300,
        "/" + "a/" * 4000,
        "/%ff%fe",
    ):
        assert get(path)[0] == 404, path
    assert get("/", "evil.example")[0] == 421


def test_other_directories_are_refused(exported, tmp_path):
    assert "is not an export" in sentence(command("serving.explore", f"--export_dir={tmp_path}"))
    assert "which export?" in sentence(command("serving.explore"))
    assert "has no explorer; export the run with --formats=web" in sentence(
        command("serving.explore", f"--export_dir={exported}")
    )
    with pytest.raises(UserError, match="has no explorer"):
        explore.find(exported)


def _fake_npm(tmp_path, monkeypatch, script):
    """Puts a program called npm first on the path, and an empty cache."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_another_archive_than_the_release_is_not_used(tmp_path, monkeypatch):
    _fake_npm(
        tmp_path,
        monkeypatch,
        "for last; do :; done; echo evil > "
        '"${last#--pack-destination=}/onnxruntime-web-1.30.0.tgz"',
    )
    with pytest.raises(UserError, match="another file than the release"):
        web_runtime.files()
    assert not list(pathlib.Path(tmp_path, "cache").rglob("*.tgz"))


def test_without_network_or_npm_one_sentence_says_so(tmp_path, monkeypatch, digits_run):
    _fake_npm(
        tmp_path,
        monkeypatch,
        r"printf 'npm warn config\nnpm error code E1\nnpm error no network \351\n' >&2; exit 1",
    )
    message = sentence(
        command(
            "export",
            f"--run_dir={digits_run}",
            f"--export_dir={tmp_path / 'export'}",
            "--formats=web",
        )
    )
    assert "npm cannot fetch onnxruntime-web 1.30.0 (npm error no network" in message
    assert not (tmp_path / "export" / "web").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(web_runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"install Node\.js, or keras-infogan with its extra"):
        web_runtime.files()


def test_a_damaged_archive_in_the_cache_is_fetched_again(explorer, tmp_path, monkeypatch):
    cached = web_runtime.cache_directory() / "npm"
    shutil.copytree(cached, tmp_path / "good")
    _fake_npm(
        tmp_path,
        monkeypatch,
        f'for last; do :; done; cp "{tmp_path}/good/"* "${{last#--pack-destination=}}"',
    )
    damaged = tmp_path / "cache" / "keras_infogan" / "npm" / "gifenc-1.0.3.tgz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half")
    assert web_runtime.files()["gifenc.js"] == (explorer / "web" / "gifenc.js").read_bytes()
    assert damaged.read_bytes() == (tmp_path / "good" / "gifenc-1.0.3.tgz").read_bytes()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"[]", "to hold names like"),
        (b'{"slant": 3}', "to hold names like"),
        (b"\xff", "to hold names like"),
        (b'{"color": "hue"}', "there is no code 'color'"),
        (b'{"slant": "a b"}', "'a b' is no name"),
        (None, "cannot read"),
        ("a pipe", "names.json is no file; give one"),
    ],
)
def test_bad_names_files_are_refused(digits_run, tmp_path, content, part):
    if content == "a pipe":
        os.mkfifo(tmp_path / "names.json")
    elif content is not None:
        (tmp_path / "names.json").write_bytes(content)
    result = command(
        "export",
        f"--run_dir={digits_run}",
        f"--export_dir={tmp_path / 'export'}",
        "--rename=names.json",
        cwd=tmp_path,
    )
    assert part in sentence(result)
    assert not (tmp_path / "export").exists()
