"""Tables with a row per image, written batch by batch: CSV, or Parquet where the file is called so.
No TensorFlow.
"""

import contextlib
import csv
import io

import numpy as np

from keras_infogan import files
from keras_infogan.untrusted import cell

PARQUET = ".parquet"


@contextlib.contextmanager
def written(path, metadata=None):
    """Gives a function (columns) that adds rows to a new table, which is put in place, whole, when
    the `with` statement ends well. Memory holds one batch of rows.

    Columns are a dict from their names, the same every time, to values, one per row: texts, whole
    numbers or floats. CSV shows floats with four digits and texts so that no program takes them
    for formulas. Parquet has texts as they are, int64 and float32.

    Args:
      path: pathlib.Path of the table; one that ends in .parquet becomes Parquet.
      metadata: of a Parquet table, a dict of texts.
    """
    with files.replacing(path) as file:
        kind = _parquet if path.suffix.lower() == PARQUET else _csv
        with kind(file, metadata or {}) as add:
            yield add


@contextlib.contextmanager
def _csv(file, metadata):
    # A file's name need not be valid UTF-8.
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    writer, header = csv.writer(text, lineterminator="\n"), []

    def add(columns):
        if not header:
            header.extend(columns)
            writer.writerow(header)
        writer.writerows(zip(*map(_shown, columns.values()), strict=True))

    yield add
    text.detach()  # flushed, and the file left open to who opened it


def _shown(values):
    """Returns a column's values as a table of texts shows them."""
    values = np.asarray(values).tolist() if isinstance(values, np.ndarray) else values
    return [
        cell(value)
        if isinstance(value, str)
        else f"{value:.4f}"
        if isinstance(value, float)
        else value
        for value in values
    ]


@contextlib.contextmanager
def _parquet(file, metadata):
    import pyarrow
    from pyarrow import parquet

    with contextlib.ExitStack() as stack:
        writer = None

        def add(columns):
            nonlocal writer
            table = pyarrow.table({name: _typed(values) for name, values in columns.items()})
            if writer is None:
                schema = table.schema.with_metadata(metadata)
                writer = stack.enter_context(parquet.ParquetWriter(file, schema))
            writer.write_table(table.replace_schema_metadata(metadata))

        yield add


def _typed(values):
    """Returns a column's values as an array of one of Parquet's types."""
    import pyarrow

    if isinstance(values, list | tuple) or np.asarray(values).dtype.kind == "U":
        # Parquet's texts are UTF-8; of a file's name that is not, the other bytes become \\xff.
        texts = [
            value.encode(errors="surrogateescape").decode(errors="backslashreplace")
            for value in values
        ]
        return pyarrow.array(texts, pyarrow.string())
    array = np.asarray(values)
    return pyarrow.array(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
