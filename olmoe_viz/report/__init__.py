"""One run, or two, as a page in a file: `report.page`; loads no torch."""
