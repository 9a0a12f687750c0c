"""Keep the collections that Streamlit makes after every run of a page short.

They look at all that is alive, and nothing else runs meanwhile: with torch, transformers and pandas
loaded 0.2 s of each run on two cores, for which every visitor waits. What is set aside they pass
by. It is freed like everything else once nothing refers to it, unless its parts refer to each other
(https://docs.python.org/3/library/gc.html#gc.freeze).
"""

import gc
from functools import cache


def set_aside() -> None:
    """Set aside whatever is alive now; call when much has been loaded that stays."""
    take_back()
    gc.freeze()


def take_back() -> None:
    """Collect over everything, also over what was set aside."""
    gc.unfreeze()
    gc.collect()


@cache
def set_aside_once() -> None:
    """Set aside what the first page has loaded, which is most of what there is without a model."""
    set_aside()
