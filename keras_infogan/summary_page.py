"""The page of a sweep: its configurations side by side, scores and pictures, in one HTML file with
everything in it, that opens from disk without a network.
"""

import base64
import importlib.resources

import jinja2


def html(title, columns, scores, rows):
    """Returns the page as text.

    Args:
      title: what was swept.
      columns: the configurations, dicts of "label", "runs" (how many are finished), "pictures" (a
        dict from what is shown to the bytes of a PNG) and "reports" (a dict from a run's name to
        the relative address of its report).
      scores: list of (score, title of it, per column a text or "").
      rows: list of the names of pictures, in the order in which they are shown.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["data_url"] = _data_url
    template = importlib.resources.files("keras_infogan").joinpath("summary.html")
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        title=title, columns=columns, scores=scores, rows=rows
    )


def _data_url(png):
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
