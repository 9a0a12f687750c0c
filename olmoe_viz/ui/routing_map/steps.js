// Buttons to the neighbors of a cell: a finger cannot always hit the cell it wants.

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
