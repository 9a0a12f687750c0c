"""Who the visitor is, where the operator has set up a sign-in by OpenID Connect.

Streamlit signs people in (`st.login`, docs/hosting.md); whom the pages are shown to is set here.
"""

import streamlit as st

from olmoe_viz import settings
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.message import note, refusal


def email() -> str | None:
    """The address that the visitor has signed in with, if the provider vouches for it."""
    known = st.user.to_dict()
    address = known.get("email")
    vouched = known.get("is_logged_in") is True and known.get("email_verified", True) is True
    return address if vouched and isinstance(address, str) else None


def let_in() -> bool:
    """Whether the visitor may see the pages; else a sign-in takes their place."""
    people = settings.current().visitors
    if settings.permits(people, email()):
        return True
    if email() is None:
        note(texts.SIGN_IN_FIRST)
        st.button(texts.SIGN_IN, type="primary", on_click=st.login)
    else:
        refusal(texts.NOT_INVITED)
        st.button(texts.SIGN_OUT, on_click=st.logout)
    return False
