"""The model card of an export: README.md, with the lines that load each file, and
the picture in it.
"""

import pathlib

import jinja2
from PIL import Image

from keras_infogan import images, untrusted

_PICTURE = "generator.png"
_ROWS, _MOST_COLUMNS, _SEED, _GAP = 3, 20, 0, 12


def write(contract, model, content, directory):
    """Writes README.md, and of a model that generates a picture, to a directory and returns their
    names; `content` is that of generator.json.
    """
    generates = "generate" in contract.capabilities
    if generates:
        _picture(model, contract.latent_spec).save(directory / _PICTURE)
    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["markdown"] = untrusted.markdown
    template = environment.from_string(
        pathlib.Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")
    )
    saved_model = next((name for name in content["files"] if not name.endswith(".onnx")), None)
    text = template.render(
        contract=contract,
        content=content,
        generates=generates,
        picture=_PICTURE,
        first_file=next((name for name in content["files"] if name.endswith(".onnx")), None),
        saved_model=saved_model,
        example=contract.latent_spec.example,
    )
    # The name of a folder need not be valid text.
    (directory / "README.md").write_text(text, encoding="utf-8", errors="replace")
    return ["README.md", *[_PICTURE] * generates]


def _picture(model, spec):
    traversals = [
        picture
        for _, picture in images.traversal_pictures(
            model.generate, spec, _ROWS, _SEED, most_columns=_MOST_COLUMNS
        )
    ]
    return _stack(traversals or [images.grid(model.generate(spec.sample(_ROWS * 10, _SEED)), 10)])


def _stack(pictures):
    canvas = Image.new(
        "RGB",
        (
            max(picture.width for picture in pictures),
            sum(picture.height + _GAP for picture in pictures) - _GAP,
        ),
        "white",
    )
    top = 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height + _GAP
    return canvas
