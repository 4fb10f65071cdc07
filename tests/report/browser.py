#!/usr/bin/env python3
"""Opens reports in headless Chromium: no error, every picture drawn, answers to pointer and keys, and names that are
HTML shown as names. Exit status 77 where there is no Chromium.

    browser.py MEC [WITHOUT_DYGRAPHS]
"""
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import runs

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOSTILE = '<img src=x onerror="window.hacked=1">'

# Before all other scripts.
WATCH = """<script>
window.seen = [];
addEventListener('error', (event) => seen.push('error: ' + event.message), true);
addEventListener('securitypolicyviolation', (event) => seen.push('fetched: ' + event.blockedURI));
console.error = console.warn = (...words) => seen.push('console: ' + words.join(' '));
</script>"""

# After them.
ASK = """<script>
const answers = {};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const inked = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((v, i) => i % 4 === 3 && v > 0);
addEventListener('load', async () => {
  await wait(300);
  const images = [...document.images];
  answers.images = images.length;
  answers.undrawn = images.filter((image) => !image.complete || image.naturalWidth === 0).length;
  answers.sections = [...document.querySelectorAll('main > section')].map((section) => section.id);
  answers.left_out = [...document.querySelectorAll('.missing')].map((line) => line.textContent);
  answers.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const charts = [...document.querySelectorAll('.chart')];
  answers.charts = charts.length;
  answers.blank = charts.filter((chart) => ![...chart.querySelectorAll('canvas')].some(inked)).length;
  answers.curve_names = [...document.querySelectorAll('.curves h3')].map((head) => head.textContent);
  answers.pictures_with_keys = document.querySelectorAll('[role=img][tabindex]').length;  // screen readers keep keys from these
  answers.value_heads = [...document.querySelectorAll('.curves table th:first-child')].map((head) => head.textContent);
  answers.other_class = document.querySelectorAll('#neighbours figure.other').length;
  answers.tables_of_values = document.querySelectorAll('.curves table').length;
  if (charts.length) {
    const chart = charts[0], legend = chart.nextElementSibling, box = chart.getBoundingClientRect();
    const move = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 100, view: window };
    chart.querySelector('canvas:last-of-type').dispatchEvent(new MouseEvent('mouseover', move));
    for (const canvas of chart.querySelectorAll('canvas')) canvas.dispatchEvent(new MouseEvent('mousemove', move));
    answers.under_pointer = legend.textContent;
    const key = (key) => chart.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    key('Home'); answers.first_step = legend.textContent;
    key('ArrowRight'); answers.second_step = legend.textContent;
    key('End'); answers.last_step = legend.textContent;
    const labels = () => [...chart.querySelectorAll('.dygraph-axis-label-x')].map((label) => label.textContent).join();
    const all = labels();
    chart.parentElement.querySelector('.tools button').click();
    answers.zooms = labels() !== all;
    key('0');
    await wait(50);
    answers.zooms_out = labels() === all;
  }
  const field = document.querySelector('svg.points');
  if (field) {
    const card = document.querySelector('.plane .under'), box = field.querySelector('path:nth-of-type(5)').getBoundingClientRect();
    answers.hidden_at_first = card.hidden;
    field.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, pointerType: 'mouse' }));
    const thumb = card.querySelector('.thumb');
    answers.card = card.hidden ? '' : card.textContent;
    answers.thumb = getComputedStyle(thumb).backgroundImage.slice(0, 16) + thumb.clientWidth;
    const before = card.textContent;
    for (const key of ['ArrowLeft', 'ArrowUp', 'ArrowRight', 'ArrowDown']) field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    answers.key_moves = card.textContent !== before;
    const press = (key) => field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    press('Home'); const first = card.textContent;
    press('End'); answers.ends_differ = first !== card.textContent;
    const button = document.querySelector('.classes button');
    if (button) button.click();
    answers.dimmed = document.querySelectorAll('svg.points .dim').length;
  }
  const rows = () => [...document.querySelectorAll('.settings tbody tr')].filter((row) => !row.hidden).length;
  answers.changed_settings = rows();
  document.getElementById('all-settings').click();
  answers.all_settings = rows();
  answers.hacked = window.hacked === 1 || document.querySelector('img[onerror]') !== null;
  answers.text = document.body.innerText;
  answers.seen = seen;
  const said = document.createElement('pre');
  said.id = 'answers';
  said.textContent = JSON.stringify(answers);
  document.body.append(said);
});
</script>"""


def ask(browser, report, folder, *options):
    """What the page answered."""
    page = report.read_text("utf-8")
    asked = folder / "asked.html"
    head, body = page.split("<style>", 1)
    asked.write_text(head + WATCH + "<style>" + body.replace("</body>", ASK + "</body>"), "utf-8")
    result = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom",
                             f"--user-data-dir={folder / 'profile'}", *options, asked.as_uri()],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120)
    said = re.search(r'<pre id="answers">(.*?)</pre>', result.stdout, re.DOTALL)
    assert said, f"the page did not answer: {result.stdout[-500:]}"
    return json.loads(html.unescape(said[1]))


def is_right(answers, images):
    assert answers["seen"] == [], answers["seen"]
    assert not answers["hacked"] and answers["pictures_with_keys"] == 0
    assert answers["undrawn"] == 0 and answers["images"] == images, answers
    assert answers["overflow"] <= 0, f"the page is {answers['overflow']} pixels wider than the window"
    assert 0 < answers["changed_settings"] < answers["all_settings"], answers


def check_curves(answers, names):
    assert answers["charts"] >= 6 and answers["blank"] == 0, answers
    for when in ("under_pointer", "first_step", "second_step", "last_step"):
        assert all(name in answers[when] for name in names), answers[when]
    steps = [int(re.search(r"step (\d+)", answers[when])[1]) for when in ("first_step", "second_step", "under_pointer", "last_step")]
    assert steps[:2] == [1, 2] and 2 < steps[2] < steps[3] == 16, steps
    assert re.search(r"-?\d+\.\d+", answers["under_pointer"]), answers["under_pointer"]
    assert answers["zooms"] and answers["zooms_out"], answers


def check_plane(answers):
    assert answers["hidden_at_first"]
    assert re.search(r"[0-3] · image \d+", answers["card"]), answers["card"]
    assert answers["thumb"].startswith("url(\"data:image") and not answers["thumb"].endswith("0:0"), answers["thumb"]
    assert answers["key_moves"] and answers["ends_differ"] and answers["dimmed"] > 0, answers


def take_steps(run, folder, name, keep, nothing=()):
    """A copy of a run whose lines are of some of its steps, with no finite loss at some."""
    shutil.copytree(run, folder / name)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        if line["step"] in nothing:
            line["loss"] = None
    (folder / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines if keep(line["step"])))
    return folder / name


def edited(page, to, change):
    """A page with other data."""
    head, rest = page.read_text("utf-8").split('id="data">', 1)
    text, tail = rest.split("</script>", 1)
    data = json.loads(text)
    for run in data["runs"]:
        change(run)
    to.write_text(f'{head}id="data">{json.dumps(data).replace("<", chr(92) + "u003c")}</script>{tail}', "utf-8")
    return to


def without_classes(run):
    for row in run["neighbours"]["rows"]:
        row["query"]["class"] = ""


def check_different_steps(answers):
    """A run without a value at a step shows its last one."""
    def values(when):
        return re.fullmatch(r"odd (.*?)even (.*?)step (\d+)", answers[when]).groups()
    number = r"-?\d+(\.\d+)?"
    odd, even, _ = values("first_step")
    assert re.fullmatch(number, odd) and even == "–", answers["first_step"]
    assert values("second_step")[0] == odd and re.fullmatch(number, values("second_step")[1]), answers["second_step"]
    assert values("last_step")[0] == "not finite" and re.fullmatch(number, values("last_step")[1]), answers["last_step"]
    assert "step (12 of 16)" in answers["value_heads"], answers["value_heads"]


def main(program, without_dygraphs=None):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        print("skipped: there is no Chromium")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs.write_mnist(folder / "mnist", 128, 40)
        first = runs.train(program, folder, "first", folder / "mnist", more="[eval]\nevery_epochs = 1")
        second = runs.train(program, folder, "second", folder / "mnist", lr=0.05)
        runs.write_folder(folder / "files", [HOSTILE, "{{data}}", "c"], 12)
        hostile = runs.train(program, folder, HOSTILE, folder / "files")
        metrics = hostile / "metrics.jsonl"
        metrics.write_text("".join(line[:-1] + ',"constructor":1.5,"__proto__":2.5}\n' for line in metrics.read_text().splitlines()))

        def report(*of, name="report.html", by=program):
            subprocess.run([by, "report", *of, "-o", folder / name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return folder / name

        two = ask(browser, report(first, second), folder, "--window-size=1200,900")
        # For each run 6 images with 2 views in 2 draws, and 24 with 8 neighbours.
        is_right(two, 2 * (6 * 5 + 24 * 9))
        if two["charts"] or not without_dygraphs:
            check_curves(two, ["first", "second"])
        check_plane(two)
        assert two["sections"] == ["overview", "accuracy", "curves", "settings", "views", "neighbours", "plane", "confusion", "machine"]
        assert two["left_out"] == [], two["left_out"]
        assert "complete: 2 epochs, 16 steps" in two["text"] and "random encoder" in two["text"]
        # A phone, in the dark.
        is_right(ask(browser, folder / "report.html", folder, "--window-size=500,900", "--blink-settings=preferredColorScheme=0"), 2 * 246)

        one = ask(browser, report(hostile), folder, "--window-size=1200,900")
        is_right(one, 6 * 5 + 24 * 9)
        assert "constructor" in one["curve_names"] and "  proto  " in one["curve_names"], one["curve_names"]
        assert HOSTILE in one["text"] and "{{data}}" in one["text"]
        assert len(one["left_out"]) == 1 and "test split" in one["left_out"][0], one["left_out"]
        assert one["sections"] == ["overview", "curves", "settings", "views", "neighbours", "plane", "machine"], one["sections"]

        odd = take_steps(first, folder, "odd", lambda step: step % 2 == 1, nothing=[15])
        even = take_steps(first, folder, "even", lambda step: step % 2 == 0)
        apart = ask(browser, report(odd, even), folder, "--window-size=1200,900")
        if apart["charts"]:
            check_different_steps(apart)

        # Images of no known class have no neighbour of another one.
        unlabelled = ask(browser, edited(folder / "report.html", folder / "edited.html", without_classes), folder)
        assert unlabelled["other_class"] == 0 and apart["other_class"] > 0, (unlabelled["other_class"], apart["other_class"])

        damaged = ask(browser, edited(folder / "report.html", folder / "edited.html", lambda run: run.update(plane={})), folder)
        assert "Plane: this section failed: " in damaged["text"], damaged["text"]
        assert damaged["sections"] == [name for name in two["sections"] if name != "plane"], damaged["sections"]

        shutil.rmtree(folder / "mnist")
        gone = ask(browser, report(first), folder)
        is_right(gone, 0)
        assert len(gone["left_out"]) == 1 and "there is no such folder" in gone["left_out"][0], gone["left_out"]
        if without_dygraphs:
            plain = ask(browser, report(first, by=without_dygraphs), folder)
            is_right(plain, 0)
            assert plain["charts"] == 0 and plain["tables_of_values"] >= 6 and "libjs-dygraphs" in plain["text"]
    print("two runs, one of a folder with hostile names, and one without its images: all answered")


if __name__ == "__main__":
    main(*sys.argv[1:])
