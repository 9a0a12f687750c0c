"""Write the worksheet of the lesson as a PDF: its parts, their questions, and lines to write on.

    python docs/worksheet.py worksheet.pdf

What is asked stands in lesson.md alone; answers are left out.
"""

import re
import sys
from pathlib import Path

from fpdf import FPDF

LESSON = Path(__file__).with_name("lesson.md")
LINES = 4  # to write on, below each question


def parts(lesson: str) -> dict[str, list[str]]:
    """What each part of a lesson asks, by its heading: all from "Ask:" to "Expected:"."""
    found = {}
    for section in lesson.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        asked = re.findall(r"^Ask: (.+?)\s*^Expected:", body, re.MULTILINE | re.DOTALL)
        found[title] = [" ".join(each.split()) for each in asked]
    return found


def worksheet(lesson: str) -> FPDF:
    """The document, on A4."""
    page = FPDF(format="A4")
    page.set_title("What a router does: worksheet")
    page.set_auto_page_break(True, margin=18)
    page.add_page()
    page.set_font("times", "B", 20)
    page.multi_cell(0, 10, "What a router does", new_x="LMARGIN", new_y="NEXT")
    for title, questions in parts(lesson).items():
        page.ln(5)
        page.set_font("times", "B", 13)
        page.multi_cell(0, 7, title, new_x="LMARGIN", new_y="NEXT")
        for question in questions:
            page.set_font("helvetica", "", 11)
            page.multi_cell(0, 6, question, new_x="LMARGIN", new_y="NEXT")
            for _ in range(LINES):
                page.ln(8)
                page.line(page.l_margin, page.y, page.w - page.r_margin, page.y)
            page.ln(3)
    return page


if __name__ == "__main__":
    worksheet(LESSON.read_text("utf-8")).output(sys.argv[1])
