"""Makes docs/images/report.png, the picture in the README: the top of docs/reports/kernel.html as a browser shows it.

usage: .venv/bin/python scripts/make_screenshot.py    (after make setup, and scripts/setup-browser.sh if there is no Chromium)
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reports/kernel.html"
PICTURE = ROOT / "docs/images/report.png"
HEIGHT = 1310  # pixels: verdict, files, budget and steps
COLOURS = 128  # text and flat colours need no more, and the file is a third of the size


def main():
    with tempfile.TemporaryDirectory() as folder:
        check = [sys.executable, ROOT / "tests/interop/page_in_browser.py", PAGE, "--screenshots", folder]
        subprocess.run(check, check=True, env=os.environ | {"NDCOMPACT_REQUIRE_BROWSER": "1"})
        with Image.open(Path(folder) / "kernel-light.png") as whole:
            top = whole.convert("RGB").crop((0, 0, whole.width, HEIGHT))
    PICTURE.parent.mkdir(exist_ok=True)
    top.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {top.width} x {top.height} pixels, {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
