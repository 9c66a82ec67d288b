"""The command: a page and numbers of any model that generates through maps, and one sentence of
what it cannot look into.
"""

import json

import pytest
from conftest import refusal, succeed_here
from PIL import Image

from keras_infogan import dissection


def test_it_writes_a_page_and_numbers(run_of, tmp_path, monkeypatch):
    monkeypatch.setattr(dissection, "_STAND_IN_IMAGES", 100)
    monkeypatch.setattr(dissection, "_STEPS", 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    flags = ("--num=100", "--units=3", "--noartifacts", "--max_image_pixels=1000")
    succeed_here("dissect", f"--run_dir={run_of('dcgan')}", f"--output_dir={tmp_path}", *flags)
    assert Image.MAX_IMAGE_PIXELS == 1000
    result = json.loads((tmp_path / "units.json").read_text())
    assert (result["kind"], result["layer"], len(result["units"])) == ("digits", "activation_2", 64)
    assert set(result["segments"]) >= {"stroke", "hole", "end", "junction", "upper half"}
    effects = [segment["effect"] for segment in result["segments"].values()]
    assert any(effects)
    for name, segment in result["segments"].items():
        assert bool(segment["effect"]) != bool(segment["left_out"])
        if segment["effect"]:
            assert len(segment["effect"]["units"]) == 3
            assert len(segment["effect"]["removed_by_random_units"]) == 5
            assert name not in segment["effect"]["removed_of_others"]
    page = (tmp_path / "dissection.html").read_text()
    assert "what the units draw" in page
    assert "data:image/png;base64," in page
    assert "Not looked for: it was not asked for." in page


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--artifact_units=3,x",), "--artifact_units: expected numbers of units such as 3,17"),
        (("--masks=.",), "--masks needs a run on a folder of images, and this is on digits"),
        (("--segments=colors",), "--segments=colors goes by colors, and the images are gray"),
    ],
)
def test_flags_that_cannot_be_are_refused_before_tensorflow_loads(run_of, flags, part):
    assert part in refusal("dissect", f"--run_dir={run_of('dcgan')}", *flags)
