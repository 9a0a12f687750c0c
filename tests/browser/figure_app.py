"""A page with one figure of every kind, whose tokens and names are foreign text."""

SCRIPT = "tests/browser/figure_app.py"


def main() -> None:
    """Draw the samples in two columns, each under its name."""
    import streamlit as st

    from olmoe_viz.ui.widgets import shared_code
    from olmoe_viz.ui.widgets.figure import plot
    from tests.figures.samples import SAMPLES

    st.set_page_config(layout="wide")
    shared_code.place()
    places = st.columns(2)
    for at, (name, make) in enumerate(SAMPLES.items()):
        with places[at % 2]:
            plot(make("light"), key=name)


if __name__ == "__main__":
    main()
