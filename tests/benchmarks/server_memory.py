"""Prints the memory of the local server after every thousand requests, every other one malformed:

python tests/benchmarks/server_memory.py EXPORT_DIR
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import urllib3

from keras_infogan import contract

THOUSANDS, SEED = 10, 0


def bodies(agreed):
    """Yields endlessly: a good request, then one that is broken in one of several ways."""
    generator, index = np.random.default_rng(SEED), 0
    while True:
        row = {
            code.name: code.value(code.sample(generator, 1)).tolist()[0]
            for code in agreed.latent_spec.codes
        } | {"seed": int(generator.integers(2**32))}
        good = json.dumps(
            {"signature_name": "from_seed", "instances": [row] * int(generator.integers(1, 33))}
        ).encode()
        yield 200, good
        wrong = (
            good[: generator.integers(len(good))],
            generator.bytes(int(generator.integers(1, 1000))),
            good.replace(b'"seed": ', b'"seed": -', 1),
            good.replace(b'"seed"', b'"sead"'),
            b"[" * int(generator.integers(1, 100_000)),
            json.dumps(
                {
                    "signature_name": "encode",
                    "inputs": generator.random((2, 3, int(generator.integers(1, 50)))).tolist(),
                }
            ).encode(),
        )
        yield 400, wrong[index % len(wrong)]
        index += 1


def main(export_dir):
    _, agreed = contract.read(export_dir / "generator.json")
    command = [
        sys.executable,
        "-m",
        "keras_infogan.serving.local",
        f"--export_dir={export_dir}",
        "--port=0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            requests, pool = bodies(agreed), urllib3.PoolManager()
            for thousand in range(1, THOUSANDS + 1):
                for _ in range(1000):
                    expected, body = next(requests)
                    status = pool.request("POST", f"{url}:predict", body=body).status
                    assert status == expected, (status, body)
                pages = int(pathlib.Path(f"/proc/{server.pid}/statm").read_text().split()[1])
                print(
                    f"{1000 * thousand:6,} requests: "
                    f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**20:.0f} MiB",
                    flush=True,
                )
        finally:
            server.terminate()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
