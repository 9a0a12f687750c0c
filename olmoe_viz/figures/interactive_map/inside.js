// What stands inside a cell: words, and a tick for each expert that ran.

const DARK_AND_LIGHT = ["rgb(0 0 0 / .78)", "rgb(255 255 255 / .92)"];
const TICKS = ["rgb(0 0 0 / .5)", "rgb(255 255 255 / .65)"];

// Words and ticks of a cell in the ink that reads on its color.
function paintInCell(context, data, raster, g, column, row, ticks) {
  const index = g.turned ? row * data.layers + column : column * data.layers + row;
  const x = g.left + column * g.w - g.x;
  const y = g.top + row * g.h - g.y;
  const at = 4 * (row * g.across + column);
  const [red, green, blue] = raster.pixels.subarray(at, at + 3);
  const light = 0.3 * red + 0.59 * green + 0.11 * blue > 140 ? 0 : 1;
  context.fillStyle = context.strokeStyle = DARK_AND_LIGHT[light];
  if (data.view === "follow" && data.marked(index)) {
    context.lineWidth = 1.5;
    context.strokeRect(x + 2, y + 2, g.w - 5, g.h - 5);
  }
  const ticked = data.view === "strongest";
  if (ticked) addTicks(ticks[light], data, index, x, y, g);
  const text = cellTexts(data, index).find((words) => words.length * CELL_DIGIT <= g.w - 4);
  if (text) context.fillText(text, x + (g.w - 1) / 2, y + (g.h - (ticked ? TICK + 1 : 0)) / 2);
}

const CELL_DIGIT = 6.7; // px, the width of a digit at 11 px
const TICK = 5; // px, the height of that of the strongest expert

// One tick for each expert that ran, as high as its probability is of that of the strongest. What
// had no room in the data has the mean height of the rest.
function addTicks(path, data, index, x, y, g) {
  const ran = data.count(index) ?? data.shown;
  const known = Math.min(ran, data.shown);
  let rest = data.mass(index);
  for (let rank = 0; rank < known; rank++) rest -= data.probabilityAt(index, rank);
  const mean = Math.max(rest, 0) / Math.max(ran - known, 1);
  const pitch = Math.min((g.w - 5) / ran, TICK);
  const width = pitch > 2 ? pitch - 1 : pitch;
  const left = x + (g.w - 1 - ran * pitch) / 2;
  const most = data.probabilityAt(index, 0) || 1;
  for (let rank = 0; rank < ran; rank++) {
    const share = (rank < known ? data.probabilityAt(index, rank) : mean) / most;
    const height = Math.max(TICK * Math.min(share, 1), 1);
    path.rect(left + rank * pitch, y + g.h - 3 - height, width, height);
  }
}

const hundredths = (value) => value.toFixed(2).replace(/^0/, "");

// What stands in a cell: the first of these for which it is wide enough.
function cellTexts(data, index) {
  if (data.view === "strongest") {
    const id = String(data.expertAt(index, 0));
    return [`${id} ${hundredths(data.probabilityAt(index, 0))}`, id];
  }
  if (data.view === "follow") {
    return index % data.layers === data.row ? [hundredths(data.value(index))] : [];
  }
  if (data.view === "effect") return data.marked(index) ? [String(data.mattered(index))] : [];
  const places = { drift: 0, margin: data.depth === 2 ? 3 : 2 }[data.view] ?? 2;
  return [data.value(index).toFixed(places)];
}
