import csv

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from keras_infogan import tables

# The second name is no valid UTF-8, and the third a formula to a spreadsheet.
BATCHES = [
    {"image": ("a.png", "b\udcff.png"), "digit": np.array([3, 4]), "slant": np.array([0.25, 0.5])},
    {"image": ("=1",), "digit": np.array([5]), "slant": np.array([1 / 3])},
]


def _write(path, batches=BATCHES, **metadata):
    with tables.written(path, metadata) as add:
        for batch in batches:
            add(batch)


def test_parquet_has_the_values_of_the_csv_in_types_of_its_own(tmp_path):
    for name in ("a.csv", "a.parquet"):
        _write(tmp_path / name, of="x")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.schema.types == [pyarrow.string(), pyarrow.int64(), pyarrow.float32()]
    assert table.schema.metadata[b"of"] == b"x"
    assert table.column("image").to_pylist() == ["a.png", "b\\xff.png", "=1"]
    with open(tmp_path / "a.csv", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a.png", "b\udcff.png", "'=1"]
    assert [int(row["digit"]) for row in rows] == table.column("digit").to_pylist()
    assert [row["slant"] for row in rows] == ["0.2500", "0.5000", "0.3333"]
    assert table.column("slant").to_pylist() == pytest.approx([0.25, 0.5, 1 / 3], rel=1e-7)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_table_that_is_not_finished_is_not_there(tmp_path, name):
    (tmp_path / name).write_text("before")

    def batches():
        yield BATCHES[0]
        raise ValueError("the second batch")

    with pytest.raises(ValueError, match="second batch"):
        _write(tmp_path / name, batches())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"
