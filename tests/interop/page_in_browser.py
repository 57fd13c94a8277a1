"""A headless Chromium as the judge of report pages: each must render in light, dark, on a phone and on paper without one
warning or error on the console and without one request but the page itself.

usage: page_in_browser.py PAGE.html... [--screenshots FOLDER]

The browser is NDCOMPACT_BROWSER, or what scripts/setup-browser.sh put into .venv/browser, or one on PATH. Without one the
check is skipped with a printed reason, unless NDCOMPACT_REQUIRE_BROWSER is set.
"""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell", "chromium-headless-shell"]
OWN = Path(__file__).resolve().parents[2] / ".venv/browser/chromium"
FLAGS = [
    "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--mute-audio",
]
PATIENCE = 60  # seconds for one answer; a loaded machine starts a browser slowly
PHONE = 390  # CSS pixels


def browser():
    """The command of the browser, or None."""
    named = os.environ.get("NDCOMPACT_BROWSER")
    if named:
        found = shutil.which(named)
        assert found, f"NDCOMPACT_BROWSER is {named}, which cannot be run"
        return found
    if os.access(OWN, os.X_OK):
        return str(OWN)
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser that is spoken to over two pipes: JSON messages, each ended by a zero byte."""

    def __init__(self, command, profile):
        there, ours_out = os.pipe()
        ours_in, back = os.pipe()
        # Out of the way first: 3 and 4 are the numbers the browser wants, and may be taken by these very pipes.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (there, back)]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [command, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for fd in (there, back, *high):
            os.close(fd)
        self.out, self.number, self.answers, self.events = ours_out, 0, {}, []
        self.news, self.closed, self.errors = threading.Condition(), False, b""
        threading.Thread(target=self.listen, args=(ours_in,), daemon=True).start()
        threading.Thread(target=self.overhear, daemon=True).start()

    def listen(self, fd):
        rest = b""
        while chunk := os.read(fd, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\0")
            with self.news:
                for text in whole:
                    message = json.loads(text)
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.news.notify_all()
        with self.news:
            self.closed = True
            self.news.notify_all()

    def overhear(self):
        # Kept for the message when the browser does not start; read always, so that it never waits for a full pipe.
        while chunk := self.process.stderr.read1(1 << 16):
            self.errors = (self.errors + chunk)[-4000:]

    def wait(self, test, what):
        with self.news:
            done = self.news.wait_for(lambda: self.closed or test(), PATIENCE)
            if not done or not test():
                raise RuntimeError(f"the browser did not answer {what}\n{self.errors.decode(errors='replace')}")

    def call(self, method, session=None, **params):
        self.number += 1
        number, message = self.number, {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        self.wait(lambda: number in self.answers, method)
        answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.out)


def complaints(events, url):
    """What the page did that it must not do."""
    found = []
    for event in events:
        params = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded" if params["entry"]["level"] in ("warning", "error"):
                found.append(f"console {params['entry']['level']}: {params['entry']['text']}")
            case "Runtime.consoleAPICalled" if params["type"] in ("warning", "error", "assert"):
                found.append(f"console {params['type']}: {[a.get('value') for a in params['args']]}")
            case "Runtime.exceptionThrown":
                found.append(f"exception: {params['exceptionDetails']['text']}")
            case "Network.requestWillBeSent":
                asked = params["request"]["url"]
                if asked.split("#")[0] != url and not asked.startswith("data:"):
                    found.append(f"request: {asked}")
            case _:
                pass
    return found


def visit(browser, page, screenshots=None):
    """Opens a page in every way it is read; returns the complaints, the text of its first heading, and what it lacks."""
    url = page.resolve().as_uri()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(method, **params):
        return browser.call(method, session, **params)

    def value(expression):
        return call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def keep(name):
        if screenshots:
            width, height = value("[innerWidth, Math.min(document.documentElement.scrollHeight, 12000)]")
            area = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            shot = call("Page.captureScreenshot", captureBeyondViewport=True, clip=area)
            (screenshots / f"{page.stem}-{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def size(width, height, mobile):
        call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    for domain in ("Page", "Runtime", "Log", "Network"):
        call(f"{domain}.enable")
    size(1180, 900, False)
    start = len(browser.events)
    call("Page.navigate", url=url)
    mine = lambda: [e for e in browser.events[start:] if e.get("sessionId") == session]
    browser.wait(lambda: any(e["method"] == "Page.loadEventFired" for e in mine()), f"by loading {page}")
    lacks = []
    keep("light")
    call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    keep("dark")
    size(PHONE, 844, True)
    value("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = value("document.documentElement.scrollWidth")
    if wide > PHONE:
        lacks.append(f"on a phone the page is {wide} pixels wide, {PHONE} are there")
    keep("phone")
    if broken := value("[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length"):
        lacks.append(f"{broken} pictures cannot be shown")
    pdf = call("Page.printToPDF")["data"]
    if len(pdf) < 1000:
        lacks.append("it prints to nothing")
    heading = value("document.querySelector('h1')?.innerText ?? ''")
    time.sleep(0.2)  # what the page would do a moment after it loaded
    found = complaints(mine(), url)
    browser.call("Target.closeTarget", targetId=target)
    return found, heading, lacks


def can_fail(browser, folder):
    """A page that does what it must not: without this, silence would prove nothing."""
    bad = folder / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><h1>bad</h1><script>console.error('seen'); nowhere()</script><img src='http://127.0.0.1:9/x.png'>"
    )
    found, _, lacks = visit(browser, bad)
    for sign in ("console error: ['seen']", "exception", "request: http://127.0.0.1:9/x.png"):
        assert any(sign in line for line in found), f"{sign!r} was not noticed: {found}"
    assert lacks, "a picture that cannot be loaded was not noticed"


def main():
    arguments, screenshots = sys.argv[1:], None
    if "--screenshots" in arguments:
        at = arguments.index("--screenshots")
        screenshots = Path(arguments[at + 1])
        screenshots.mkdir(parents=True, exist_ok=True)
        del arguments[at:at + 2]
    pages = [Path(a) for a in arguments]
    assert pages, __doc__
    command = browser()
    if command is None:
        message = "no Chromium: run scripts/setup-browser.sh or set NDCOMPACT_BROWSER"
        assert not os.environ.get("NDCOMPACT_REQUIRE_BROWSER"), message
        print(f"skipped: {message}")
        return 0
    failures = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        chromium = Browser(command, Path(folder) / "profile")
        try:
            can_fail(chromium, Path(folder))
            for page in pages:
                found, heading, lacks = visit(chromium, page, screenshots)
                if not heading:
                    lacks.append("it has no heading")
                for line in found + lacks:
                    print(f"{page}: {line}")
                failures += bool(found or lacks)
        finally:
            chromium.close()
    print(f"{len(pages) - failures} of {len(pages)} pages rendered without a complaint or a request")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
