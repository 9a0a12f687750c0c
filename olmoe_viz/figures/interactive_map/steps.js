// From a cell to its neighbors: with keys, or with buttons, because a finger cannot always hit the
// cell it wants.

// The cell that a button leads to, [token, layer], or null beyond the edges. It starts from the cell
// of the card, because after quick presses the selection that Python echoes is not the last one.
function neighbor({ hover, selected, data }, button) {
  const start = hover ?? selected;
  if (!start || !data) return null;
  const [token, layer] = button.dataset.step.split(" ").map((by, at) => start[at] + Number(by));
  const exists = token >= 0 && layer >= 0 && token < data.tokens.length && layer < data.layers;
  return exists ? [token, layer] : null;
}

function enableSteps(map) {
  for (const button of map.steps.children) button.disabled = !neighbor(map, button);
}

// A press does what a tap on the neighbor does, and brings it into view.
function listenSteps(map, on) {
  for (const button of map.steps.children) {
    on(button, "click", () => {
      const cell = neighbor(map, button);
      map.walk(cell);
      map.cursor = null;
      map.hover = cell;
      map.pick([...cell, ...cell]);
    });
  }
}

// The cell that a key leads to from a cell, or null where the key means something else.
function keyed({ data, g }, event, [token, layer]) {
  const ends = [data.tokens.length - 1, data.layers - 1];
  const [x, y] = g.turned ? [[0, 1], [1, 0]] : [[1, 0], [0, 1]];
  const by = { ArrowRight: x, ArrowLeft: x.map((d) => -d), ArrowDown: y,
    ArrowUp: y.map((d) => -d), PageDown: [10, 0], PageUp: [-10, 0] }[event.key];
  if (by) return [clamp(token + by[0], 0, ends[0]), clamp(layer + by[1], 0, ends[1])];
  if (event.key === "Home") return [0, event.ctrlKey ? 0 : layer];
  if (event.key === "End") return [ends[0], event.ctrlKey ? ends[1] : layer];
  return null;
}
