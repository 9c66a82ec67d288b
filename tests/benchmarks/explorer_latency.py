"""Measures how soon the latent explorer follows a slider, in headless Chromium:

    python tests/benchmarks/explorer_latency.py EXPORT_DIR [PICTURE_DIR]

Prints the time from opening the page until it can be used, from a control's event until the large
image is drawn (50 moves), and until the whole grid has followed the last one. With PICTURE_DIR it
writes screenshots: explorer.png, explorer_dark.png, explorer_phone.png.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time
from typing import Literal

import numpy as np
from playwright.sync_api import sync_playwright

MOVES = 50
FOLLOW = """async (moves) => {
    const image = document.querySelector("#image"), grid = document.querySelector("#grid");
    const times = [];
    const changed = (node, name) => new Promise((resolve) => new MutationObserver((_, observer) => {
        observer.disconnect();
        resolve();
    }).observe(node, { attributes: true, attributeFilter: [name] }));
    const slider = document.querySelector(".slider input");
    const buttons = document.querySelectorAll(".categories input");
    let start;
    for (let move = 0; move < moves; move++) {
        const drawn = changed(image, "aria-label");
        start = performance.now();
        if (slider) {
            slider.value = Math.sin(move) * 2;
            slider.dispatchEvent(new Event("input"));
        } else buttons[(move + 1) % 10].click();
        await drawn;
        times.push(performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await changed(grid, "data-drawn");
    return [times, performance.now() - start];
}"""


def main(export_dir, picture_dir):
    command = [
        sys.executable,
        "-m",
        "keras_infogan.serving.explore",
        f"--export_dir={export_dir}",
        "--nobrowser",
        "--port=0",
    ]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        url = re.findall(r"http://localhost:\d+/", server.stdout.readline())[0]
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(bypass_csp=True)
        start = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("#main:not([hidden])")
        print(f"ready after {time.perf_counter() - start:.2f} s")
        page.wait_for_selector("#grid[data-drawn]")
        times, grid = page.evaluate(FOLLOW, MOVES)
        print(
            f"image after {np.median(times):.0f} ms (median of {MOVES}; 95th percentile "
            f"{np.percentile(times, 95):.0f}); grid after {grid:.0f} ms"
        )
        if picture_dir:
            views: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
                "explorer": (1200, 900, "light"),
                "explorer_dark": (1200, 900, "dark"),
                "explorer_phone": (390, 844, "light"),
            }
            for name, (width, height, scheme) in views.items():
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page.goto(url)
                page.wait_for_selector("#grid[data-drawn]")
                page.screenshot(
                    path=pathlib.Path(picture_dir, f"{name}.png"), full_page=name == "explorer"
                )
                page.close()
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
