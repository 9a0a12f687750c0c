// Which part of the map is in view, and what must be.

// Scroll by as little as shows the cell.
function reveal({ g, scroll }, cell) {
  const [column, row] = g.turned ? [cell[1], cell[0]] : cell;
  const nearest = (start, size, offset, view) =>
    start < offset ? start : Math.max(offset, start + size - view);
  scroll.scrollTo(nearest(column * g.w, g.w, g.x, g.viewWidth),
    nearest(row * g.h, g.h, g.y, g.viewHeight));
}

// Bring the cell that Python has selected into view, once, as soon as the data have it.
function showSelected(map) {
  const cell = map.selected?.slice(0, 2);
  if (!map.unseen || !cell || !map.data || cell[0] >= map.data.tokens.length) return;
  map.unseen = false;
  reveal(map, cell);
}

// The whole text in one strip, where it does not fit into the view.
function paintOverview(map) {
  const { g, root, overview } = map;
  const needed = map.data !== null && !g.turned && g.across * g.w > g.viewWidth;
  overview.hidden = !needed;
  if (!needed) return;
  overview.style.marginLeft = `${g.left}px`;
  drawOverview(overview, map.image.canvas, g, map.look, root.clientWidth - g.left - g.spill);
}

// First and last row or column of which at least half is in view.
const inView = (offset, view, size, count) => [Math.floor(offset / size + 0.5),
  Math.min(Math.floor((offset + view) / size + 0.5), count) - 1];

// On a phone, where there is no strip of the whole text: say which part is in view.
function tellSeen({ data, g, seen, config }) {
  const [left, right] = inView(g.x, g.viewWidth, g.w, g.across);
  const [top, bottom] = inView(g.y, g.viewHeight, g.h, g.down);
  const ids = config.layerIds;
  const parts = [];
  if (right - left + 1 < g.across) {
    const ends = { from: ids[left], to: ids[right], first: ids[0], last: ids.at(-1) };
    parts.push(filled(WORDS.layers_seen, ends));
  }
  if (bottom - top + 1 < g.down) {
    parts.push(filled(WORDS.tokens_seen, { from: top, to: bottom, last: g.down - 1 }));
  }
  seen.textContent = !data || !g.turned || !parts.length ? ""
    : filled(WORDS.seen, { parts: parts.join(", ") });
}

// The range that the card must leave free: the one being drawn, or the selected one while the
// keyboard stands in it.
function rangeAround({ draft, cursor, selected }, cell) {
  const range = draft ?? (cursor ? selected : null);
  const within = range && cell.every((at, axis) => range[axis] <= at && at <= range[axis + 2]);
  return within && String(range.slice(0, 2)) !== String(range.slice(2)) ? range : null;
}
