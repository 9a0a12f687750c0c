"""What is asked of every page: axe, no sideways scroll, targets large enough for a finger."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Parts of Streamlit's own chrome whose size is not ours, each reachable in another way too.
CHROME = (
    "[data-testid=stHeader]",  # menu of the application and of the pages
    "[data-testid=stTooltipIcon]",  # the text of a help sign is read out with its widget as well
    "[data-testid=stTooltipHoverTarget]",
    "[data-testid=stNumberInput] button",  # the arrow keys step the number; the field is 40 px
    ":is([data-testid=stNumberInput], [data-testid=stTextInput]) input",  # its field is pressed
    "[data-testid=stSelectbox] :is(input, button, svg)",
    "[data-testid=stTextArea] textarea",
    "[data-testid=stHeaderActionElements] a",  # the sign that copies a heading's address
    "[data-testid=stElementToolbar] button",  # appears over a table; its menu has the same entries
    "[data-testid=stFullScreenFrame] [role=toolbar] button",
    "[data-testid=stSlider] input",  # the thumb and its track are what is pulled
    "[data-testid=stCheckbox] input",  # the label around it is what is pressed
    "p a, li a",  # links within a line of text
)
_TARGETS = "a[href], button, input, select, textarea, summary, [role=button]"
_SMALL = """({ targets, chrome }) => {
  const found = []
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot)
      if (!element.matches(targets) || element.closest(chrome)) continue
      if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue
      const { width, height } = element.getBoundingClientRect()
      if (width > 1 && height > 1 && height < 39.5)
        found.push(`${element.tagName} "${element.textContent.trim().slice(0, 40)}" ${height} px`)
    }
  }
  look(document)
  return found
}"""
_SIDEWAYS = (
    "[...document.querySelectorAll('html, body, [data-testid=stMain]')]"
    ".map(part => part.scrollWidth - part.clientWidth)"
)

# Streamlit's own field of a file has a name though its role is that of a mere box.
_JUDGED = {"exclude": [["[data-testid=stFileUploaderDropzone]"]]}
_CUT = """() => [...document.querySelectorAll(".stTable *")]
  .filter(part => part.clientWidth > 40 && part.scrollWidth > part.clientWidth + 2)
  .map(part => `"${part.textContent.slice(0, 40)}" ${part.scrollWidth} > ${part.clientWidth} px`)
"""


def small_targets(page: Page) -> list[str]:
    """What can be pressed and is less than 40 px high, in words."""
    return page.evaluate(_SMALL, {"targets": _TARGETS, "chrome": ", ".join(CHROME)})


def sideways(page: Page) -> int:
    """By how many pixels the page scrolls sideways."""
    return max(page.evaluate(_SIDEWAYS))


def problems(page: Page) -> list[str]:
    """What axe finds, what is cut off or scrolls sideways, in the hand what is hard to touch."""
    found = [
        f"{violation['id']}: {[node['html'][:160] for node in violation['nodes']]}"
        for violation in Axe().run(page, context=_JUDGED).response["violations"]
    ]
    if sideways(page) > 0:
        found.append(f"scrolls sideways by {sideways(page)} px")
    found += [f"cut off: {part}" for part in page.evaluate(_CUT)]
    in_hand = page.viewport_size is not None and page.viewport_size["width"] <= 1024
    return found + (small_targets(page) if in_hand else [])
