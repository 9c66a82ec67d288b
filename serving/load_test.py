"""Measures how fast a server answers:

    python -m keras_infogan.serving.load_test --url=http://localhost:8501 --export_dir=export

The server is TensorFlow Serving, over REST or gRPC, or keras_infogan.serving.local. For each pair
of a batch size and a concurrency, that many connections ask for images in a closed loop: each sends
its next request when the last one is answered, without retries. Counted is what is answered within
--seconds, after a warm-up that is not counted; errors are counted apart and do not stop it. A
latency is the time from before a request is sent until its answer is decoded to arrays or, of PNG
files, to bytes.

All requests are drawn from the priors and encoded before the clock starts, other ones each time as
far as memory allows; then the same come again, for which no server keeps answers. Receiving and
decoding is Python's work, one answer at a time: at thousands of requests a second, or of images as
numbers in JSON, the client may be the slower side. On one machine client and server share its
cores, and the numbers are lower than the server alone would reach; to know those, run this on
another machine.

It prints a table, and writes load_test.json and load_test.png into --output_dir. Ctrl-C ends it
early, once the requests under way are answered; the pairs measured until then are written.
"""

import concurrent.futures
import dataclasses
import importlib.metadata
import itertools
import json
import os
import platform
import threading
import time

import numpy as np
from absl import flags
from tqdm import tqdm

from keras_infogan import __version__, capabilities, config, contract, files
from keras_infogan.config import UserError
from keras_infogan.latents import NUM_SEEDS
from keras_infogan.serving import client
from keras_infogan.untrusted import printable

FLAGS = flags.FLAGS
# What is asked for, and the model's capability that it takes.
SIGNATURES = {
    "png": "generate",
    "from_seed": "generate",
    "encode": "encode",
    "classify": "classify",
}
_PERCENTILES = (50, 90, 95, 99)
_MOST_IMAGES, _MOST_CONNECTIONS = 10_000, 1_000  # in a request; at once
_LONGEST = 3600.0  # seconds
# Of one batch size, whichever is reached first: a second's work, 10 MB of JSON.
_PREPARED_REQUESTS, _PREPARED_NUMBERS = 4096, 2**19


@dataclasses.dataclass(frozen=True)
class Load:
    """What every request of a pair is like.

    Attributes:
      signature: one of SIGNATURES.
      batch_size: images in a request.
      offer: Offer of the server.
    """

    signature: str
    batch_size: int
    offer: client.Offer

    def inputs(self, generator):
        """Returns the named inputs of a request, drawn with a numpy Generator."""
        if SIGNATURES[self.signature] != "generate":
            return {
                "images": generator.integers(
                    0, 256, (self.batch_size, *self.offer.image_shape), np.uint8
                )
                / np.float32(255)
            }
        codes = {
            code.name: code.value(code.sample(generator, self.batch_size))
            for code in self.offer.latent_spec.codes
        }
        return codes | {"seed": generator.integers(NUM_SEEDS, size=self.batch_size)}

    @property
    def most_bytes(self):
        """Of an answer."""
        return self.offer.most_bytes(self.signature, self.batch_size)

    def requests(self, transport):
        """Returns requests as the transport prepares them, a list of two or more, the same
        for the same load.
        """
        generator, prepared, numbers = np.random.default_rng(self.batch_size), [], 0
        while len(prepared) < 2 or (
            len(prepared) < _PREPARED_REQUESTS and numbers < _PREPARED_NUMBERS
        ):
            inputs = self.inputs(generator)
            prepared.append(transport.prepare(self.signature, inputs, self.most_bytes))
            numbers += sum(array.size for array in inputs.values())
        return prepared

    def check(self, outputs):
        """Raises UserError unless an answer is one to such a request."""
        if self.signature == "from_seed":
            client.checked_output(outputs, "images", self.batch_size, self.offer.image_shape)
        else:
            output = {
                "png": contract.PNG.name,
                "encode": "parameters",
                "classify": contract.CLASS_PROBABILITIES,
            }[self.signature]
            client.checked_output(outputs, output, self.batch_size)


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """What became of a request: when it ended, how long it took, in seconds, and what went wrong,
    if anything did.
    """

    end: float
    seconds: float
    error: str | None


def measure(load, requests, transports, seconds):
    """Measures one pair.

    Args:
      load: Load.
      requests: what load.requests returned.
      transports: one for each of the requests that are under way at once, without retries.
      seconds: how long, after the warm-up, which is one request for each transport and then a fifth
        of that time, at most a second.

    Returns:
      What load_test.json holds of a pair, a dict; "latency_ms" is None if nothing was answered,
      "first_error" if there was no error.
    """
    stop = threading.Event()

    def ask(transport, request):
        start, error = time.perf_counter(), None
        try:
            outputs = transport.send(request)
            end = time.perf_counter()
            load.check(outputs)
        except UserError as problem:
            end, error = time.perf_counter(), str(problem)
        return _Outcome(end, end - start, error)

    def ask_on(index):
        outcomes, place = [], index
        while not stop.is_set():
            outcomes.append(ask(transports[index], requests[place % len(requests)]))
            place += len(transports)
        return outcomes

    with concurrent.futures.ThreadPoolExecutor(len(transports)) as pool:
        try:
            list(pool.map(ask, transports, itertools.repeat(requests[-1])))  # opens the connections
            loops = [pool.submit(ask_on, index) for index in range(len(transports))]
            # They go on until they are told to stop; one that ends earlier has met what is no
            # server's fault, and its result() raises that.
            concurrent.futures.wait(
                loops, min(1.0, seconds / 5), concurrent.futures.FIRST_EXCEPTION
            )
            begin = time.perf_counter()
            concurrent.futures.wait(loops, seconds, concurrent.futures.FIRST_EXCEPTION)
            end = time.perf_counter()
        finally:
            stop.set()
        outcomes = [
            outcome for loop in loops for outcome in loop.result() if begin <= outcome.end <= end
        ]
    return _row(
        load.batch_size,
        len(transports),
        sorted(outcomes, key=lambda outcome: outcome.end),
        end - begin,
    )


def _row(batch_size, concurrency, outcomes, seconds):
    errors = [outcome.error for outcome in outcomes if outcome.error]
    latencies = [1000 * outcome.seconds for outcome in outcomes if not outcome.error]
    latency = None
    if latencies:
        values = [*np.percentile(latencies, _PERCENTILES), max(latencies)]
        latency = {
            name: round(float(value), 3)
            for name, value in zip(
                [*(f"p{rank}" for rank in _PERCENTILES), "max"], values, strict=True
            )
        }
    return {
        "batch_size": batch_size,
        "concurrency": concurrency,
        "seconds": round(seconds, 3),
        "requests": len(latencies),
        "images": batch_size * len(latencies),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "images_per_second": round(batch_size * len(latencies) / seconds, 2),
        "requests_per_second": round(len(latencies) / seconds, 2),
        "latency_ms": latency,
    }


def measure_all(connect, signature, batch_sizes, concurrencies, seconds, rows):
    """Measures every pair and appends what `measure` returns to the list `rows`, which keeps what
    is measured when Ctrl-C ends it.

    Args:
      connect: function that returns a new Client of the server, without retries.
      signature, seconds: as in Load and `measure`.
      batch_sizes, concurrencies: lists of integers.
      rows: list.
    """
    with tqdm(total=len(batch_sizes) * len(concurrencies), desc="load test", unit="pair") as bar:
        for batch_size in batch_sizes:
            connected = connect()
            load = Load(signature, batch_size, connected.offer)
            requests = load.requests(connected.transport)
            for concurrency in concurrencies:
                bar.set_postfix_str(f"batch size {batch_size}, concurrency {concurrency}")
                rows.append(
                    measure(
                        load, requests, [connect().transport for _ in range(concurrency)], seconds
                    )
                )
                bar.update()


def table(rows):
    """Returns measured pairs as text, a line each, and below them what went wrong."""
    names = [
        "batch size",
        "concurrency",
        "images/s",
        "requests/s",
        *(f"p{rank} ms" for rank in _PERCENTILES),
        "max ms",
        "requests",
        "errors",
    ]
    lines, notes = [names], []
    for row in rows:
        latencies = (
            [f"{value:.1f}" for value in row["latency_ms"].values()]
            if row["latency_ms"]
            else ["-"] * (len(_PERCENTILES) + 1)
        )
        rates = [f"{row[name]:.1f}" for name in ("images_per_second", "requests_per_second")]
        lines.append(
            [
                f"{row['batch_size']}",
                f"{row['concurrency']}",
                *rates,
                *latencies,
                f"{row['requests']}",
                f"{row['errors']}",
            ]
        )
        pair = f"batch size {row['batch_size']}, concurrency {row['concurrency']}"
        if row["errors"]:
            notes.append(f"{pair}: {row['errors']} errors, the first: {row['first_error']}")
        elif not row["requests"]:
            notes.append(
                f"{pair}: nothing was answered within {row['seconds']:g} seconds; "
                "give more --seconds."
            )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        [
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        ]
        + notes
    )


def write(directory, settings, rows):
    """Writes load_test.json and load_test.png.

    Args:
      directory: pathlib.Path of a directory.
      settings: dict, what was asked for; its "model" and "signature" make the picture's title.
      rows: list of what `measure` returned.
    """
    # Where it is needed: --help and mistakes in flags need not wait for matplotlib.
    from keras_infogan import charts

    packages = ("numpy", "grpcio" if settings["url"].startswith("grpc:") else "urllib3")
    content = {
        "settings": settings,
        "client": {
            "cpu_count": os.cpu_count(),
            "platform": f"{platform.system()} {platform.machine()}",
            "versions": {"keras_infogan": __version__, "python": platform.python_version()}
            | {name: importlib.metadata.version(name) for name in packages},
        },
        "results": rows,
    }
    files.write_atomically(
        directory / "load_test.json", json.dumps(content, indent=1, allow_nan=False) + "\n"
    )
    title = f"{settings['model']} at {settings['url']}, signature {settings['signature']}"
    files.write_atomically(directory / "load_test.png", charts.throughput_and_latency(title, rows))


def _integers(flag, text, most):
    """Returns the numbers in a flag's text; raises UserError."""
    parts = [part.strip() for part in text.split(",")]
    numbers = [
        int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) <= 9
    ]
    if len(numbers) < len(parts) or not all(1 <= number <= most for number in numbers):
        raise UserError(
            f"--{flag}: expected integers from 1 to {most:,} separated by commas, "
            f"received {text!r}."
        )
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--{flag}={text} names a number twice; give each once.")
    return numbers


def define_flags():
    client.define_connection_flags()
    flags.DEFINE_enum(
        "signature",
        "png",
        list(SIGNATURES),
        "what is asked for: images as PNG files, images as numbers, or codes or classes of images.",
    )
    flags.DEFINE_string(
        "batch_sizes",
        "1,16,64",
        f"images in a request, separated by commas, at most {_MOST_IMAGES:,}.",
    )
    flags.DEFINE_string(
        "concurrency", "1,4,16", "how many requests are under way at once, separated by commas."
    )
    flags.DEFINE_float(
        "seconds", 5.0, "how long each pair of a batch size and a concurrency is measured."
    )
    flags.DEFINE_string(
        "output_dir", "load_test", "where load_test.json and load_test.png are written."
    )


def main():
    batch_sizes, concurrencies = (
        _integers("batch_sizes", FLAGS.batch_sizes, _MOST_IMAGES),
        _integers("concurrency", FLAGS.concurrency, _MOST_CONNECTIONS),
    )
    if not 0.1 <= FLAGS.seconds <= _LONGEST:
        raise UserError(
            f"--seconds: expected a number from 0.1 to {_LONGEST:g}, received {FLAGS.seconds}."
        )
    first = client.connect_as_flags_say(retries=0)
    capabilities.require(first, SIGNATURES[FLAGS.signature])
    load = Load(FLAGS.signature, batch_sizes[0], first.offer)
    # A server that is not there or has another model is said before anything is
    # measured, or written.
    inputs = load.inputs(np.random.default_rng(0))
    load.check(first.transport.predict(load.signature, inputs, load.most_bytes))
    directory = files.output_directory(config.user_path(FLAGS.output_dir))
    rows = []
    try:
        measure_all(
            lambda: client.connect_as_flags_say(first.offer, retries=0),
            FLAGS.signature,
            batch_sizes,
            concurrencies,
            FLAGS.seconds,
            rows,
        )
    finally:
        if rows:
            asked = {
                name: FLAGS[name].value
                for name in ("url", "label", "timeout", "signature", "seconds")
            }
            settings = {
                **asked,
                "model": FLAGS.model or first.offer.model,
                "batch_sizes": batch_sizes,
                "concurrency": concurrencies,
            }
            print(table(rows))
            write(directory, settings, rows)
            print(printable(str(directory)))
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
