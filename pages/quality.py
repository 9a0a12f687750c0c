"""Quality: bits per byte against k, what experts prefer, when the routers settled."""

from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.quality import page

navigation.through_app()
page.draw()
