"""What the pages share: the selection, the frame, runs, wording, components.

The only room of the package that imports streamlit.
"""
