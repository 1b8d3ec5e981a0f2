"""Takes the pictures of docs/playground.md.

    polyhead quickstart --output quickstart
    polyhead train --task people-and-places --head tagging --data FILE \\
        --output quickstart/people-and-places
    python tests/serve/ui/take_pictures.py quickstart docs/images

The tasks "topic", "urgency" and "people-and-places" are asked, as far as the folder has them, and
one of likeness that needs no training.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from polyhead.heads import EmbeddingHeadConfig
from polyhead.model import DistilBertModelWithHeads

SERVER = Path(__file__).with_name("page_server.py")
BACKBONE = "minilm"
ASKED = ("topic", "urgency", "people-and-places", "similar")
TEXT = (
    "Maria Jensen from Copenhagen writes that her parcel has been stuck in Hamburg for two weeks. "
    "She needs it by tomorrow!"
)
OTHERS = (
    "Where is my delivery?\n"
    "You charged my card twice this month.\n"
    "Can the desk lamp be dimmed?\n"
    "The courier lost what I ordered.\n"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        tasks = Path(made)
        copy_tasks(chosen.tasks, tasks)
        add_likeness(tasks)
        with subprocess.Popen(
            [sys.executable, str(SERVER), str(tasks), "--backbone", BACKBONE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            take(f"http://127.0.0.1:{server.stdout.readline().strip()}/ui", tasks, chosen.output)
            server.stdin.close()


def copy_tasks(source, target):
    for name in source.glob("*/task.json"):
        shutil.copytree(name.parent, target / name.parent.name)


def add_likeness(folder):
    model = DistilBertModelWithHeads.from_pretrained(BACKBONE)
    model.add_task("similar", head=EmbeddingHeadConfig(), adapter=None)
    model.save_task("similar", folder / "similar")


def take(address, tasks, output):
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1000, "height": 1000}, color_scheme=scheme, device_scale_factor=1
            )
            page.goto(address)
            suffix = "" if scheme == "light" else "-dark"
            take_answers(page, tasks, output / f"playground{suffix}.png")
            if scheme == "light":
                take_tasks(page, output / "playground-tasks.png")
        browser.close()


def take_answers(page, tasks, path):
    page.locator("#ph-text textarea, #ph-question textarea").first.wait_for()
    page.locator("#ph-tasks").get_by_role("button", name="Clear").click()
    for name in ASKED:
        if (tasks / name).exists():
            page.locator("#ph-tasks input").fill(name)
            page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    page.locator("#ph-others textarea").fill(OTHERS)
    page.locator("#ph-text textarea").fill(TEXT)
    for _ in range(2):  # the second time every task is in memory
        page.get_by_role("button", name="Ask").click()
        page.wait_for_timeout(3000)
    page.screenshot(path=path, full_page=True)


def take_tasks(page, path):
    page.get_by_role("tab", name="Tasks").click()
    page.locator("#ph-table tbody tr").first.wait_for()
    page.locator("#ph-task input").click()
    page.get_by_role("option", name="topic", exact=True).click()
    page.locator("#ph-readme h1", has_text="topic").wait_for()
    page.wait_for_timeout(500)  # the list of tasks fades
    page.screenshot(path=path)


if __name__ == "__main__":
    main()
