"""The page in a real browser, against a server in a process of its own."""

import re
import shutil
from urllib.parse import urlsplit

import pytest

pytest.importorskip("gradio", reason="the playground needs gradio")
playwright = pytest.importorskip("playwright.sync_api", reason="these tests need playwright")

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("these tests need chromium", allow_module_level=True)

TEXT = "Ana met Bo in Rome."
ATTACK = "<img src=x onerror=alert(1)> ${alert(2)} {{alert}}"


@pytest.fixture(scope="module")
def browser():
    """A browser that keeps the page's scripts from one test to the next."""
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1000, "height": 900})
        context.set_default_timeout(10_000)
        yield context
        browser.close()


@pytest.fixture
def requests():
    """The address of everything that the page asked for."""
    return []


@pytest.fixture
def page(browser, addresses, requests):
    page = browser.new_page()
    blocked = set()
    page.on("request", lambda request: requests.append(request.url))
    page.on("requestfailed", lambda one: one.failure == "csp" and blocked.add(one.url))
    page.on("dialog", lambda dialog: pytest.fail(f"the page said {dialog.message}"))
    page.goto(addresses[0])
    page.locator("#ph-text textarea, #ph-question textarea").first.wait_for()
    yield page
    page.close()
    sent = [url for url in requests if url not in blocked and not url.startswith("data:")]
    assert {urlsplit(url).hostname for url in sent} == {"127.0.0.1"}


def pick(page, *names):
    """Picks these tasks and no others."""
    page.locator("#ph-tasks").get_by_role("button", name="Clear").click()
    for name in names:
        page.locator("#ph-tasks input").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def write(page, **texts):
    for name, text in texts.items():
        page.locator(f"#ph-{name} textarea, #ph-{name} input").fill(text)


def ask(page, *names):
    """Asks, and returns the places of these tasks' answers."""
    page.get_by_role("button", name="Ask").click()
    places = [page.locator(f'#ph-answers [data-task="{name}"]') for name in names]
    for place in places:
        place.wait_for()
    return places


def bars(place):
    labels = place.locator(".ph-label").all_inner_texts()
    return list(zip(labels, place.locator(".ph-number").all_inner_texts(), strict=True))


def highlighted(place):
    """The highlighted parts of a text without the labels behind them."""
    parts = place.locator("mark").all()
    return [part.evaluate("mark => mark.firstChild.data") for part in parts]


def test_two_tasks_answer_as_they_do_offline(page, offline):
    pick(page, "mood", "topics")
    write(page, text=TEXT)
    mood, topics = ask(page, "mood", "topics")
    [expected] = offline.predict([TEXT], task=["mood", "topics"])
    for place, name in ((mood, "mood"), (topics, "topics")):
        ranked = sorted(expected[name].probabilities.items(), key=lambda item: -item[1])
        assert bars(place) == [(label, f"{share:.1%}") for label, share in ranked]
    assert re.fullmatch(r"[\d.]+ ms · \d+ tokens · 2 tasks", page.locator(".ph-cost").inner_text())


def test_entities_and_the_answer_are_highlighted(page, offline):
    pick(page, "names", "answers")
    write(page, text=TEXT, question="Who met Bo?")  # the context is the text then
    names, answers = ask(page, "names", "answers")
    [found] = offline.predict([TEXT], task="names")
    assert highlighted(names) == [entity.text for entity in found.entities]
    [answer] = offline.predict([("Who met Bo?", TEXT)], task="answers")
    assert highlighted(answers) == [answer.text]
    assert answers.locator(".ph-text").inner_text().startswith(TEXT[: answer.start])


def test_every_other_kind_is_shown(page, offline):
    pick(page, "likeness", "masks", "next", "score")
    write(page, text="Ana met [MASK].", others="Bo met Ana.\nAna met him.", choices="yes\nno")
    likeness, masks, following, score = ask(page, "likeness", "masks", "next", "score")
    assert sorted(label for label, _ in bars(likeness)) == ["Ana met him.", "Bo met Ana."]
    [filled] = offline.predict(["Ana met [MASK]."], task="masks")
    assert [label for label, _ in bars(masks)] == [one.token_str for one in filled.masks[0]]
    assert sorted(label for label, _ in bars(following)) == ["no", "yes"]
    [number] = offline.predict(["Ana met [MASK]."], task="score")
    assert score.locator(".ph-value").inner_text() == f"{number.score:.4g}"


def test_a_failing_task_says_why_in_its_place_and_leaves_the_others_their_answers(page):
    pick(page, "torn", "mood")
    write(page, text=TEXT)
    torn, mood = ask(page, "torn", "mood")
    assert torn.get_attribute("role") == "alert"
    assert "torn" in torn.locator(".ph-reason").inner_text()
    assert "Traceback" not in torn.inner_text()
    assert len(bars(mood)) == 3


def test_a_blank_text_is_refused_in_words(page):
    pick(page, "mood")
    [mood] = ask(page, "mood")
    assert "the text has no words" in mood.inner_text()


def test_what_looks_like_html_is_shown_as_it_was_typed(page):
    pick(page, "names", "answers")
    write(page, text=ATTACK, question=ATTACK)
    names, answers = ask(page, "names", "answers")
    assert ATTACK in names.locator(".ph-text").evaluate(
        "text => { for (const tag of text.querySelectorAll('.ph-tag')) tag.remove();"
        " return text.textContent; }"
    )
    assert page.locator("#ph-answers img").count() == 0
    assert answers.locator(".ph-text").count() == 1


def test_the_tasks_are_shown_with_their_cards_and_live_figures(page):
    pick(page, "score")
    write(page, text=TEXT)
    ask(page, "score")
    page.get_by_role("tab", name="Tasks").click()
    row = page.locator('#ph-table tr[data-task="score"]')
    row.wait_for()
    cells = row.locator("td").all_inner_texts()
    assert cells[0] == "regression"
    assert int(cells[2]) >= 1
    assert float(cells[5]) > 0
    assert page.locator("#ph-table tbody tr").count() == 9
    page.locator("#ph-find input, #ph-find textarea").fill("SCO")
    playwright.expect(page.locator("#ph-table tbody tr")).to_have_count(1)
    choose(page, "topics")
    about = page.locator("#ph-about")
    about.get_by_text("multilabel").wait_for()
    assert about.locator(".ph-chip").all_inner_texts() == ["law", "sport", "weather"]
    page.locator("#ph-readme h1", has_text="topics").wait_for()


def test_a_card_fetches_nothing_and_runs_nothing(page):
    page.get_by_role("tab", name="Tasks").click()
    page.locator("#ph-table tbody tr").first.wait_for()
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        choose(page, "score")
    page.locator("#ph-readme h1", has_text="score").wait_for()
    assert page.locator("#ph-readme script, #ph-readme [onerror]").count() == 0


def choose(page, name):
    page.locator("#ph-task input").click()
    page.get_by_role("option", name=name, exact=True).click()


def test_figures_are_asked_for_only_while_they_are_looked_at(page, requests):
    page.clock.install()
    page.get_by_role("tab", name="Tasks").click()
    page.locator("#ph-table tbody tr").first.wait_for()
    for _ in range(2):
        with page.expect_response("**/run/predict"):
            page.clock.fast_forward("05")
    with page.expect_response("**/run/predict"):
        page.get_by_role("tab", name="Playground").click()
    # what the timer had asked for already may still be on its way
    assert 0 in (asked_in_a_minute(page, requests) for _ in range(3))


def asked_in_a_minute(page, requests):
    """How often the page's functions are called while its clock goes on for a minute."""
    n_before = sum("/run/" in url for url in requests)
    page.clock.run_for("01:00")
    page.evaluate("fetch('./').then(answer => answer.text())")  # the others are answered by then
    return sum("/run/" in url for url in requests) - n_before


def test_an_example_of_a_task_is_tried_with_one_click(page):
    page.get_by_role("tab", name="Tasks").click()
    page.locator("#ph-table tbody tr").first.wait_for()
    choose(page, "next")
    page.get_by_role("button", name="Try it in the playground").click()
    playwright.expect(page.locator("#ph-choices textarea")).to_have_value("one choice\nanother")
    [following] = ask(page, "next")
    assert len(bars(following)) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(page, scheme):
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.reload()
    page.locator("#ph-tasks input").wait_for()
    pick(page, "mood", "names")
    write(page, text="a" * 300)
    ask(page, "mood", "names")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.get_by_role("tab", name="Tasks").click()
    page.locator("#ph-table tbody tr").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_every_field_has_a_name(page):
    pick(page, "mood", "answers", "likeness", "next")
    page.locator("#ph-choices textarea").wait_for()
    for field in page.locator("input:visible, textarea:visible").all():
        named = field.evaluate("field => field.ariaLabel || field.labels?.length")
        assert named, field.evaluate("field => field.outerHTML")


def test_a_server_with_keys_asks_for_one(browser, addresses):
    page = browser.new_page()
    page.goto(addresses[1])
    page.get_by_label("password").fill("no-key")
    page.get_by_label("username").fill("me")
    button = page.get_by_role("button", name="Login")
    button.click()
    page.get_by_text("Incorrect").wait_for()
    assert page.locator("#ph-tasks").count() == 0
    page.get_by_label("username").fill("me")
    page.get_by_label("password").fill("a-key")
    button.click()
    page.locator("#ph-tasks").wait_for()
    page.close()
