"""Routes of a foreign file on the terminal: as far as they go."""

from typing import Any

import numpy as np

from olmoe_viz.exchange.routes import VALUES, Routes, Values


def table(routes: Routes) -> str:
    """Return one line a token: how many experts it has in the mean, and its first of each layer."""
    known = [name for name in VALUES if getattr(routes, name) is not None]
    counts = (routes.expert_ids >= 0).sum(axis=-1)
    sizes = f"{routes.tokens} tokens, {len(routes.layer_ids)} layers"
    most, said = routes.expert_ids.shape[-1], ", ".join(known) or "its id"
    lines = [
        f"{sizes}, up to {most} experts; known of each: {said}",
        f" token  experts  first expert of layers {', '.join(map(str, routes.layer_ids[:2]))}, ...",
    ]
    for token in range(routes.tokens):
        first = routes.expert_ids[:, token, 0].tolist()
        names = " ".join(f"{expert:2}" if expert >= 0 else " -" for expert in first)
        lines.append(f"{token:6}  {counts[:, token].mean():7.2f}  {names}")
    return "\n".join(lines)


def facts(routes: Routes) -> dict[str, Any]:
    """Return what JSON says of them; null where there is no expert."""
    found = {name: getattr(routes, name) for name in VALUES}
    return {
        "kind": "routes",
        "layers": list(routes.layer_ids),
        "expert_ids": routes.expert_ids.tolist(),
        **{name: _or_null(values) for name, values in found.items() if values is not None},
    }


def _or_null(values: Values) -> Any:
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()
