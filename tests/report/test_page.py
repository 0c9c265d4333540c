"""The page of a report, opened in a browser."""

from __future__ import annotations

import importlib.util
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_picture import CHROMIUM, take
from places import SHARED, VECTORS
from report_documents import NUMBERS, Document, drawn_channels, file_document, pets_document

import qrt.compiler
from qrt.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs the Python package playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
# What would run, were a name read as markup.
HOSTILE = """"><img src=x onerror="window.broken=1"><script>window.broken=1</script>&lt;b\u2028\u202e"""
MOBILENET = SHARED / "models" / "mobilenet_v2_224.tflite"

Open = Callable[..., "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return pets_document(tmp_path_factory.mktemp("pets"))


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What pages said on the console or asked of a network: nothing, when the test ends."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser: Browser, heard: list[str], tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a document."""
    contexts = []

    def open_page(document: Document, width: int = 1280, height: int = 900, **options: Any) -> Page:
        path = tmp_path / "report.html"
        path.write_text(page(document), encoding="utf-8")

        def is_page(address: str) -> bool:
            return address.split("#")[0] == path.as_uri()

        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        opened = context.new_page()
        opened.on("console", lambda message: heard.append(message.text))
        opened.on("pageerror", lambda error: heard.append(str(error)))
        opened.on("request", lambda request: heard.append(request.url) if not is_page(request.url) else None)
        opened.goto(path.as_uri())
        opened.wait_for_selector("html[data-ready]", state="attached")
        return opened

    yield open_page
    for context in contexts:
        context.close()


def texts(opened: Page, selector: str) -> list[str]:
    return [text.strip() for text in opened.locator(selector).all_inner_texts()]


def press(opened: Page, index: int) -> None:
    """Clicks a layer of the graph, wherever it is drawn."""
    opened.locator(f'.node[data-layer="{index}"]').dispatch_event("click")
    opened.locator(".layer h3", has_text=re.compile(rf"^{index} ")).wait_for()


def test_graph_has_every_layer_and_edge(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    operators = pets["model"]["operators"]
    assert opened.locator(".node[data-layer]").count() == len(operators)
    titles = opened.locator(".node[data-layer] .title").all_text_contents()
    assert titles == [f"{op['index']}  {op['kind']}" for op in operators]
    # The stem is read twice; one edge comes from the input, one goes to the output.
    assert opened.locator(".edges path").count() == 8
    assert opened.locator(".node.edge").count() == 2


def test_sections_are_there_for_what_is_there(open_page: Open, pets: Document) -> None:
    every = ["Model", "Network", "Layers", "Memory", "Time on this machine", "On the target"]
    every += ["Error against the source", "Evaluation", "Notes", "Licenses"]
    assert texts(open_page(pets), "h2") == texts(open_page(pets), "nav a") == every
    least = texts(open_page({"model": pets["model"]}), "h2")
    assert least == ["Model", "Network", "Layers", "Memory", "Notes", "Licenses"]


def test_click_opens_a_layer_with_its_numbers(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    press(opened, 1)
    layer = pets["layers"][1]
    shown = opened.locator(".layer").inner_text()
    for formula in layer["formulas"]:
        assert formula in shown
    heads = texts(opened, ".layer th button")
    rows = [[cell.strip() for cell in row.split("\t")] for row in texts(opened, ".layer tbody tr")]
    assert len(rows) == len(layer["channels"]) == 8
    for row, channel in zip(rows, layer["channels"], strict=True):
        shown_row = dict(zip(heads, row, strict=False))
        for title, name in {
            "c": "channel",
            "multiplier": "multiplier",
            "addend": "addend",
            "acc min": "acc_min",
        }.items():
            assert shown_row[title] == f"{channel[name]:,}", title
        assert float(shown_row["real multiplier"]) == pytest.approx(channel["real_multiplier"], rel=1e-8)
        assert float(shown_row["w scale"]) == pytest.approx(channel["w_scale"], rel=1e-5)


def test_page_computes_what_follows(open_page: Open, pets: Document) -> None:
    """Numbers that a page does not contain, as they follow from others."""
    rows = drawn_channels(random.Random(1), 20)
    layer = {**pets["layers"][1], "numbers": NUMBERS, "channels": rows}
    opened = open_page({"model": pets["model"], "layers": [layer]})
    press(opened, 1)
    heads = texts(opened, ".layer th button")
    for text, row in zip(texts(opened, ".layer tbody tr"), rows, strict=True):
        shown = dict(zip(heads, text.replace(",", "").split("\t"), strict=False))
        assert (int(shown["addend"]), int(shown["bias (int32)"])) == (row["addend"], row["bias"])
        for title, digits in {"bias float": 6, "w scale": 6, "real multiplier": 9, "bias error": 3}.items():
            assert float(shown[title]) == float(f"{row[title.replace(' ', '_')]:.{digits}g}")
        assert float(shown["its error, LSB"]) == float(f"{row['bias_error_codes']:.3g}")


def test_json_of_a_page_is_what_it_was_made_from(open_page: Open, pets: Document) -> None:
    """Numbers that the page computes are the same to the last bit."""
    drawn = {**pets["layers"][0], "numbers": NUMBERS, "channels": drawn_channels(random.Random(2), 500)}
    document = {**pets, "layers": [drawn, *pets["layers"][1:]]}
    opened = open_page(document)
    with opened.expect_download() as download:
        opened.get_by_role("button", name="JSON").click()
    assert json.loads(download.value.path().read_text(encoding="utf-8")) == document


def test_large_integers_lose_no_digit(open_page: Open, pets: Document) -> None:
    rows = drawn_channels(random.Random(1), 3)
    for row, addend in zip(rows, (2**61 + 2, -(2**61), 2**61 + 1), strict=True):
        row["addend"] = addend
    layer = {**pets["layers"][1], "channels": rows}
    opened = open_page({"model": pets["model"], "layers": [layer]})
    press(opened, 1)
    opened.locator(".layer th", has_text="addend").get_by_role("button").click()
    column = texts(opened, ".layer th button").index("addend")
    shown = [row.split("\t")[column].strip() for row in texts(opened, ".layer tbody tr")]
    assert shown == [f"{addend:,}" for addend in (-(2**61), 2**61 + 1, 2**61 + 2)]


FILES = ("every_operator", "more_operators", "bands_fed", "states", "recurrent", "int16_functions")


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_layer_opens(open_page: Open, name: str) -> None:
    document = file_document(VECTORS / "good" / f"format1_{name}.qfb")
    opened = open_page(document)
    operators = document["model"]["operators"]
    assert opened.locator(".node[data-layer]").count() == len(operators)
    for op in operators:
        press(opened, op["index"])
    assert opened.locator("#memory .scroll").count() == len(document["model"]["bands"]) + 1
    text = opened.locator("body").text_content()
    assert not re.search(r"undefined|NaN|\[object", text.split("Licenses")[1])


def test_layers_open_from_tables_and_from_the_keyboard(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    opened.locator("#layers .link").nth(2).click()
    opened.locator(".layer h3", has_text=re.compile("^2 ")).wait_for()
    assert opened.locator(".node.chosen").get_attribute("data-layer") == "2"
    opened.locator('.node[data-layer="4"]').focus()
    opened.keyboard.press("Enter")
    opened.locator(".layer h3", has_text=re.compile("^4 ")).wait_for()
    # The address leads there again.
    assert opened.url.endswith("#layer-4")
    opened.reload()
    opened.locator(".layer h3", has_text=re.compile("^4 ")).wait_for()


def test_search_finds_layers(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    find = opened.get_by_role("searchbox")
    find.fill("conv2d")
    assert opened.locator(".node.hit").count() == 2
    assert opened.locator(".found").inner_text() == "2 layers"
    find.press("Enter")
    find.press("Enter")
    opened.locator(".layer h3", has_text=re.compile("^1 ")).wait_for()
    assert opened.locator(".found").inner_text() == "2 of 2"
    find.fill("MEAN 1x1")
    assert [node.get_attribute("data-layer") for node in opened.locator(".node.hit").all()] == ["3"]
    find.fill("")
    assert opened.locator(".node.hit, .node.missed").count() == 0


def test_graph_moves_and_grows(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    inner = opened.locator(".network > g")
    before = inner.get_attribute("transform")
    opened.get_by_role("button", name="larger").click()
    larger = inner.get_attribute("transform")
    opened.locator(".network").hover(position={"x": 5, "y": 100})
    opened.mouse.down()
    opened.mouse.move(300, 300)
    opened.mouse.up()
    assert len({before, larger, inner.get_attribute("transform")}) == 3


def test_tables_sort_by_number(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    head = opened.locator("#layers th", has_text="MACs")

    def macs() -> list[int]:
        cells = opened.locator("#layers tbody td:nth-child(5)").all_inner_texts()
        return [int(cell.replace(",", "")) for cell in cells]

    wanted = sorted((op["macs"] for op in pets["model"]["operators"]), reverse=True)
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert (head.get_attribute("aria-sort"), macs()) == ("descending", wanted)
    head.get_by_role("button").click()
    assert (head.get_attribute("aria-sort"), macs()) == ("ascending", wanted[::-1])
    # Worst first; an exact layer is better than any number.
    assert texts(opened, "#error tbody td:nth-child(4)") == ["15.0", "22.0", "29.0", "36.0", "43.0", "∞"]


def test_numbers_are_copied_without_commas(open_page: Open, pets: Document) -> None:
    opened = open_page(pets, permissions=["clipboard-read", "clipboard-write"])
    press(opened, 1)
    opened.locator(".layer tbody tr").first.locator("td", has_text=",").first.click()
    opened.locator("#said.shown").wait_for()
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"-?\d{4,}", copied)
    assert int(copied) in pets["layers"][1]["channels"][0].values()


def test_memory_plan_has_a_rectangle_for_each_tensor(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    in_arena = [tensor for tensor in pets["model"]["tensors"] if tensor["arena_offset"] is not None]
    rectangles = opened.locator(".memory .tensor")
    assert rectangles.count() == len(in_arena)
    # A layer may write its output over its input: what the first one has alone is its left side.
    rectangles.first.locator("rect").hover(position={"x": 4, "y": 4})
    assert in_arena[0]["name"] in opened.locator("#tip").inner_text()
    rectangles.nth(1).dispatch_event("click")
    assert in_arena[1]["name"] in opened.locator(".chosen-tensor").inner_text()
    assert f"lower bound {pets['model']['lower_bound']:,}" in opened.locator(".memory .bound").text_content()


def test_verdicts(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    assert texts(opened, "header .verdict") == ["test vectors pass"]
    assert texts(opened, "#device .verdict") == ["fits", "too large"]
    kernels = [{"name": "reference", "agree": True}, {"name": "portable", "agree": False}]
    wrong = {**pets, "checks": {**pets["checks"], "kernels": kernels}}
    assert texts(open_page(wrong), "header .verdict") == ["test vectors differ"]
    assert texts(open_page({"model": pets["model"]}), "header .verdict") == ["test vectors not run"]


def test_evaluation(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    assert opened.locator(".matrix td.right").all_inner_texts() == ["9", "8", "10", "9"]
    assert opened.locator(".curve .line").count() == 2
    assert texts(opened, "#evaluation .table >> nth=1 >> tbody td:nth-child(2)") == ["cat", "dog", "owl", "bee"]


def hostile(value: Any) -> Any:
    """A document with markup in every string and in every name of a dict that is shown."""
    if isinstance(value, dict):
        marked = {"accuracy", "numbers", "parameters"}
        renamed = {
            key: {HOSTILE + name: one for name, one in x.items()} if key in marked and isinstance(x, dict) else x
            for key, x in value.items()
        }
        return {key: hostile(x) for key, x in renamed.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return value + HOSTILE if isinstance(value, str) else value


def test_names_are_text(open_page: Open, pets: Document) -> None:
    opened = open_page(hostile(pets))
    for index in range(len(pets["layers"])):
        press(opened, index)
    opened.get_by_role("searchbox").fill("<script>")
    assert opened.locator(".node.hit").count() == len(pets["layers"])
    opened.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    opened.locator(".memory .tensor").first.dispatch_event("click")
    assert opened.evaluate("window.broken") is None
    assert opened.locator("img, body b").count() == 0
    # The four of the page itself.
    assert opened.locator("script").count() == 4
    assert 'pets"><img src=x onerror="window.broken=1"><script>' in opened.locator("h1").inner_text()
    assert opened.title().startswith('pets"><img src=x')
    assert "\u202e" not in opened.locator("body").inner_text()


def test_long_names_keep_the_page_short(open_page: Open, pets: Document) -> None:
    model = {**pets["model"], "name": "n" * 100_000}
    model["operators"] = [{**op, "name": "x" * 100_000} for op in model["operators"]]
    model["tensors"] = [{**tensor, "name": "a b/" * 25_000} for tensor in model["tensors"]]
    opened = open_page({**pets, "model": model}, 375)
    press(opened, 1)
    assert opened.evaluate("document.documentElement.scrollWidth") == 375
    assert opened.evaluate("document.documentElement.scrollHeight") < 20_000


def test_policy_lets_nothing_out_or_in(open_page: Open, heard: list[str], pets: Document, tmp_path: Path) -> None:
    opened = open_page(pets)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    # What a browser would load; namespaces of SVG are names, and are never asked for.
    assert not re.search(r"(src|href)=[\"']?(https?:|//)|url\(|@import", text.split("<script>")[0])
    assert "default-src 'none'" in text
    assert opened.evaluate("fetch('http://127.0.0.1:9').catch(() => 'refused')") == "refused"
    inline = "document.body.append(Object.assign(document.createElement('script'), {text: 'window.broken = 1'}))"
    opened.evaluate(inline)
    assert opened.evaluate("window.broken") is None
    opened.wait_for_timeout(50)
    assert len(heard) >= 2
    assert all("Content Security Policy" in text for text in heard)
    heard.clear()


@pytest.mark.parametrize("width", [375, 700, 1280])
def test_no_horizontal_scroll(open_page: Open, pets: Document, width: int) -> None:
    opened = open_page(pets, width, 800)
    press(opened, 1)
    opened.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    opened.wait_for_timeout(50)
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.evaluate("getComputedStyle(document.body).fontSize") == "15px"


def test_dark_and_light(open_page: Open, pets: Document) -> None:
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + Number(b), 0) / 3"
    for scheme, is_light in (("light", True), ("dark", False)):
        opened = open_page(pets, color_scheme=scheme)
        assert (opened.evaluate(brightness) > 128) == is_light
        opened.locator("button.theme").click()
        assert (opened.evaluate(brightness) > 128) != is_light
        opened.emulate_media(media="print")
        assert opened.evaluate(brightness) == 255


def test_prints(open_page: Open, pets: Document) -> None:
    opened = open_page(pets)
    assert opened.pdf(format="A4").startswith(b"%PDF")
    opened.emulate_media(media="print")
    assert not opened.locator("nav").is_visible()
    assert opened.locator("#layers table").is_visible()


def test_large_network_is_small_and_opens_at_once(open_page: Open, tmp_path: Path) -> None:
    if not MOBILENET.is_file():
        pytest.skip(f"needs {MOBILENET.name}, which the project does not ship")
    pytest.importorskip("tflite", reason="needs the Python package tflite")
    path = tmp_path / "mobilenet.qfb"
    path.write_bytes(qrt.compiler.compile(MOBILENET).to_bytes())
    document = file_document(path)
    opened = open_page(document)
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert opened.locator(".node[data-layer]").count() == len(document["model"]["operators"]) == 65
    session = opened.context.new_cdp_session(opened)
    # The time of the processor, not of a clock: the machine may be busy with other tests.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        """Seconds since the page was asked for."""
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")

    times = []
    for _ in range(3):
        opened.reload()
        opened.wait_for_selector("html[data-ready]", state="attached")
        times.append(spent())
    assert 0.01 < min(times) < 1


def test_screenshot(open_page: Open, pets: Document, tmp_path: Path) -> None:
    take(open_page(pets), 1, tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
