"""A real browser for the tests of our pages, and what every page of ours must be: readable, named,
within its width, and silent."""
import time

from selenium import webdriver

# The contrast of every text with what it stands on (WCAG 2.2, 1.4.3), as the browser has computed both.
CONTRAST = """
const light = (c) => {
  const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const opaque = (c) => !/, 0\\)$|transparent/.test(c);
const ground = (e) => {
  const node = e.closest(".node:is(g)");
  if (node) return getComputedStyle(node.querySelector("path, polygon")).fill;
  for (; e; e = e.parentElement) if (opaque(getComputedStyle(e).backgroundColor)) return getComputedStyle(e).backgroundColor;
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *:not(script, noscript, svg *), svg text")]
  .filter((e) => e.getClientRects().length && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const style = getComputedStyle(e);
    const [a, b] = [light(e.closest("svg") ? style.fill : style.color), light(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName + " " + e.textContent.trim().slice(0, 30)];
  }).filter(([ratio]) => ratio < 4.5);
"""

# What can be reached with the keyboard and has no name.
NAMELESS = """
return [...document.querySelectorAll("a[href], button, input, [tabindex]")].filter((e) =>
  !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length
    || document.getElementById(e.getAttribute("aria-labelledby")))).map((e) => e.outerHTML);
"""

# What a screen reader finds its way by: one main and one h1, no level of heading left out, regions
# with names, tables with heads, pictures that are named or hidden, references that lead somewhere.
STRUCTURE = """
const wrong = [];
const all = (s) => [...document.querySelectorAll(s)];
const one = (s) => { if (all(s).length !== 1) wrong.push(`${all(s).length} times ${s}`); };
one("main"); one("h1"); one("title");
if (!document.documentElement.lang) wrong.push("no language");
let level = 0;
for (const h of all("h1, h2, h3, h4")) {
  if (h.tagName[1] - level > 1) wrong.push(`${h.tagName} after h${level}`);
  level = +h.tagName[1];
}
for (const e of all("main section, nav, [role=region]"))
  if (!e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")) wrong.push("no name: " + e.outerHTML.slice(0, 60));
for (const e of all("[aria-labelledby], [aria-describedby]"))
  for (const id of (e.getAttribute("aria-labelledby") || e.getAttribute("aria-describedby")).split(" "))
    if (!document.getElementById(id)) wrong.push("no such id: " + id);
for (const e of all("th")) if (!e.scope) wrong.push("no scope: " + e.textContent);
for (const e of all("svg, img"))
  if (e.getAttribute("aria-hidden") !== "true" && !e.getAttribute("aria-label") && !e.alt) wrong.push("no name: " + e.outerHTML.slice(0, 60));
for (const id of all("[id]").map((e) => e.id)) if (all("#" + CSS.escape(id)).length > 1) wrong.push("twice: " + id);
return wrong;
"""

failures = 0


def check(what, found, expected):
    """Say what was found, and remember whether it was as expected."""
    global failures
    if found == expected:
        print(f"ok: {what}", flush=True)
    else:
        failures += 1
        print(f"NOT OK: {what}: {found!r}, not {expected!r}", flush=True)


def until(what, condition, seconds=30):
    """Wait for something that must happen by itself."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            check(what, "not in time", True)
            return
        time.sleep(0.1)
    check(what, True, True)


def browser():
    options = webdriver.ChromeOptions()
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options)


def scheme(page, name):
    """Light or dark."""
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]})


def size(page, width, height):
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                         {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})


def scripts(page, allowed):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})


def looks_right(page, when=""):
    """In light and dark every text can be read; at 390 pixels nothing sticks out."""
    for name in ("light", "dark"):
        scheme(page, name)
        check(f"every text has a contrast of 4.5 ({name}{when})", page.execute_script(CONTRAST), [])
    scheme(page, "light")
    size(page, 390, 800)
    check(f"nothing sticks out at 390 pixels{when}",
          page.execute_script("return document.documentElement.scrollWidth <= 390 && document.body.scrollWidth <= 390"), True)
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
