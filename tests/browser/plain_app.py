"""A page with texts that Streamlit's Markdown would rewrite, each shown by way of `plain`."""

SCRIPT = "tests/browser/plain_app.py"
TEXTS = (
    "a -> b <- c <-> d",
    "-> at the start",
    "one -- two --- three",
    "x >= 1 and y <= 2 and z ~= 3",
    "a :streamlit: logo",
    "a :material/home: icon",
    "an emoji :dog: and :+1:",
    "see www.example.com or WWW.example.com",
    "see https://example.com/a_b",
    "write to a@b.co now",
    "**bold** $x^2$ :red[red] [link](https://example.com) <b>tag</b> `code`",
)


def main() -> None:
    """Draw every text in every element that the application gives such text to."""
    import streamlit as st

    from olmoe_viz.ui.widgets.wording import plain

    st.table([{"text": plain(text)} for text in TEXTS])
    for text in TEXTS:
        st.error(plain(text))
        st.markdown(plain(text))
    st.popover(plain(TEXTS[0]))


if __name__ == "__main__":
    main()
