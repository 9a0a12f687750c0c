// Drawing: data in, pixels out. Knows nothing about pointers, keys or Python.

// Spaces as middle dots; line feed and tab as signs that fonts for code have.
const shown = (token) =>
  token.replaceAll(" ", "·").replaceAll("␊", "↵").replaceAll("␉", "⇥");

function bytes(text, depth) {
  const raw = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return depth === 2 ? new Uint16Array(raw.buffer) : raw;
}

// What the bytes of a token are: [its bytes, the characters they are or belong to, whether it has
// these characters whole].
function spelling({ text, lengths }) {
  const all = bytes(text, 1);
  const starts = [0];
  for (const length of bytes(lengths, 2)) starts.push(starts.at(-1) + length);
  const inside = (at) => at < all.length && (all[at] & 0xc0) === 0x80; // goes on with a character
  return (token) => {
    const [start, end] = [starts[token], starts[token + 1]];
    let [from, to] = [start, end];
    while (from > 0 && inside(from)) from--;
    while (inside(to)) to++;
    const characters = [...new TextDecoder("utf-8", { ignoreBOM: true }).decode(all.subarray(from, to))];
    return [all.subarray(start, end), characters, from === start && to === end];
  };
}

const floats = (text) => new Float32Array(bytes(text, 1).buffer);

// Whether the bit of a cell is set.
function bits(text) {
  const all = bytes(text, 1);
  return (index) => ((all[index >> 3] >> (index & 7)) & 1) === 1;
}

// What was measured in some cells.
function measured({ effect, layerIds, tokens }) {
  const [marked, experts, values] = [bits(effect.marks), bytes(effect.experts, 1), floats(effect.values)];
  const places = new Map();
  for (let index = 0; index < layerIds.length * tokens.length; index++) {
    if (marked(index)) places.set(index, places.size);
  }
  return {
    expert: (index) => experts[places.get(index)],
    value: (index) => values[places.get(index)],
  };
}

// The data with their bytes unpacked; numbers become functions of the cell index
// (token * layers + layer).
function unpack(data) {
  const scaled = (text, low = 0, high = 1, depth = data.depth) => {
    const [codes, levels] = [bytes(text, depth), 256 ** depth - 1];
    return (index) => low + ((high - low) * codes[index]) / levels;
  };
  const ids = bytes(data.ids, 1);
  const probability = scaled(data.probabilities);
  const mass = scaled(data.mass);
  const marked = data.marks || data.effect ? bits(data.marks ?? data.effect.marks) : () => false;
  const more = data.more ? bytes(data.more, 1) : null;
  const layers = data.layerIds.length;
  const effect = data.effect ? measured(data) : null;
  const places = bytes(data.places, 1);
  const place = (layer, expert) => places[layer * data.experts + expert];
  const expertAt = (index, rank) => ids[index * data.shown + rank];
  const value = effect ? effect.value : data.values
    ? scaled(data.values, data.low, data.high)
    : data.view === "mass" ? mass : (index) => probability(index * data.shown);
  return {
    ...data,
    layers,
    tokens: data.tokens.map(shown),
    spelling: data.bytes ? spelling(data.bytes) : null,
    value,
    mass,
    expertAt,
    // An expert is a layer, here its row, and an id.
    colorOf: (layer, expert) => data.colors[place(layer, expert)],
    colorPlace: (index) => place(index % layers, expertAt(index, 0)),
    useOf: (layer, expert) => data.domains && (data.domains[place(layer, expert)] ?? WORDS.no_use),
    probabilityAt: (index, rank) => probability(index * data.shown + rank),
    // How many experts ran; undefined where that had no room.
    count: (index) => data.ks?.[index % layers] ?? (more ? more[index] + 1 : undefined),
    mattered: (index) => effect.expert(index),
    marked,
    against: data.against ? scaled(data.against) : null,
    factor: data.factor ? scaled(data.factor.values, 0, data.factor.high, 2) : null,
  };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
const mix = (a, b, share) => a.map((channel, i) => channel + (b[i] - channel) * share);
const css = (color, alpha = 1) => `rgb(${color.map(Math.round).join(" ")} / ${alpha})`;

// An expert's color at a share (0 to 1) of the brightest probability. The power lifts the many
// small probabilities off the paper; the legend's ramp is drawn by the same function.
const shaded = (paper, color, share) => mix(paper, color, 0.2 + 0.8 * clamp(share, 0, 1) ** 0.6);

function along(stops, share) {
  const at = clamp(share, 0, 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return mix(stops[low], stops[low + 1], at - low);
}

function colorOf(data, { paperRgb: paper, panelRgb: panel }) {
  const colors = data.colors.map(rgb);
  const stops = data.scale.map(rgb);
  const [low, high] = data.usual;
  const share = (index) => (data.value(index) - low) / (high - low || 1);
  if (data.view === "follow") {
    return (index) => index % data.layers === data.row ? along(stops, share(index)) : paper;
  }
  if (data.view === "effect") {
    const span = Math.log(high / low); // none where all are equal
    const ratio = (index) => span ? Math.log(data.value(index) / low) / span : 1;
    return (index) => data.marked(index) ? along(stops, ratio(index)) : panel;
  }
  if (data.view !== "strongest") return (index) => along(stops, share(index));
  return (index) => shaded(paper, colors[data.colorPlace(index)], share(index));
}

// One pixel a cell; everything else scales this image.
function rasterize(data, turned, look) {
  const tokens = data.tokens.length;
  const image = turned ? new ImageData(data.layers, tokens) : new ImageData(tokens, data.layers);
  const color = colorOf(data, look);
  for (let index = 0; index < tokens * data.layers; index++) {
    const token = Math.floor(index / data.layers);
    const layer = index % data.layers;
    const at = 4 * (turned ? index : layer * tokens + token);
    const [red, green, blue] = color(index);
    image.data[at] = red;
    image.data[at + 1] = green;
    image.data[at + 2] = blue;
    image.data[at + 3] = 255;
  }
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { canvas, pixels: image.data };
}

function fitCanvas(canvas, width, height) {
  const ratio = (window.devicePixelRatio || 1) * zoomOf(canvas);
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// The theme's inks and faces as they are now.
function readLook(root) {
  const style = getComputedStyle(root);
  const color = (name) => style.getPropertyValue(name).trim();
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channels = (ink) => {
    probe.fillStyle = ink;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
  };
  const paper = color("--st-background-color");
  return {
    paper, paperRgb: channels(paper), panelRgb: channels(color("--st-secondary-background-color")),
    text: color("--st-text-color"), accent: color("--st-primary-color"),
    sans: style.fontFamily, mono: color("--st-code-font") || "monospace",
  };
}

// The whole text in one strip, with a frame around what the map shows of it.
function drawOverview(canvas, image, g, look, width) {
  const context = fitCanvas(canvas, width, 40);
  context.imageSmoothingEnabled = g.across > width;
  context.drawImage(image, 0, 4, width, 32);
  const share = width / (g.across * g.w);
  const x = clamp(g.x * share, 0, width - 6);
  const seen = Math.max(g.viewWidth * share, 6);
  context.fillStyle = look.paper;
  context.globalAlpha = 0.55;
  context.fillRect(0, 0, x, 40);
  context.fillRect(x + seen, 0, width, 40);
  context.globalAlpha = 1;
  context.strokeStyle = look.text;
  context.lineWidth = 1.5;
  context.strokeRect(x + 0.75, 2, seen - 1.5, 36);
}

// First and one past the last visible row or column.
const visible = (offset, view, size, count) =>
  [Math.floor(offset / size), Math.min(Math.ceil((offset + view) / size), count)];

function clipTo(context, x, y, width, height, draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  draw();
  context.restore();
}

function paintCells(context, data, raster, g, look) {
  const [c0, c1] = visible(g.x, g.viewWidth, g.w, g.across);
  const [r0, r1] = visible(g.y, g.viewHeight, g.h, g.down);
  const x0 = g.left + c0 * g.w - g.x;
  const y0 = g.top + r0 * g.h - g.y;
  clipTo(context, g.left, g.top, g.viewWidth, g.viewHeight, () => {
    context.imageSmoothingEnabled = false;
    context.drawImage(raster.canvas, c0, r0, c1 - c0, r1 - r0,
      x0, y0, (c1 - c0) * g.w, (r1 - r0) * g.h);
    context.fillStyle = look.paper;
    for (let c = c0; c <= c1; c++) context.fillRect(x0 + (c - c0) * g.w - 1, g.top, 1, g.viewHeight);
    for (let r = r0; r <= r1; r++) context.fillRect(g.left, y0 + (r - r0) * g.h - 1, g.viewWidth, 1);
    context.font = `11px ${look.mono}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const ticks = TICKS.map(() => new Path2D());
    for (let r = r0; r < r1; r++) {
      for (let c = c0; c < c1; c++) {
        paintInCell(context, data, raster, g, c, r, ticks);
      }
    }
    ticks.forEach((path, light) => {
      context.fillStyle = TICKS[light];
      context.fill(path);
    });
  });
}

// Where more cells follow beyond an edge of the view, they fade, and a tip points there.
function paintMore(context, g, look) {
  const right = g.left + g.viewWidth;
  const bottom = g.top + g.viewHeight;
  const [midX, midY] = [g.left + g.viewWidth / 2, g.top + g.viewHeight / 2];
  const edges = [
    [g.x > 1, g.left, midY, 1, 0], [g.x + g.viewWidth < g.across * g.w - 1, right, midY, -1, 0],
    [g.y > 1, midX, g.top, 0, 1], [g.y + g.viewHeight < g.down * g.h - 1, midX, bottom, 0, -1],
  ];
  for (const [more, x, y, dx, dy] of edges) {
    if (!more) continue;
    const fade = context.createLinearGradient(x, y, x + dx * FADE, y + dy * FADE);
    fade.addColorStop(0, css(look.paperRgb, 0.95));
    fade.addColorStop(1, css(look.paperRgb, 0));
    context.fillStyle = fade;
    const [width, height] = dx ? [FADE, g.viewHeight] : [g.viewWidth, FADE];
    context.fillRect(dx ? Math.min(x, x + dx * FADE) : g.left,
      dx ? g.top : Math.min(y, y + dy * FADE), width, height);
    arrow(context, x + 3 * dx, y + 3 * dy, -dx, -dy, look.text);
  }
}

const FADE = 22; // px

// A token's label: the middle dots that stand for spaces are faint.
function paintToken(context, text, x, y, alpha) {
  let at = x;
  for (const part of text.match(/·+|[^·]+/g) ?? []) {
    context.globalAlpha = part[0] === "·" ? alpha * 0.45 : alpha;
    context.fillText(part, at, y);
    at += context.measureText(part).width;
  }
  context.globalAlpha = 1;
}

function shorten(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const characters = [...text];
  while (characters.length && context.measureText(characters.join("") + "…").width > width) {
    characters.pop();
  }
  return characters.join("") + "…";
}

const ofTemplate = (data, token) =>
  Boolean(data.message) && (token < data.message[0] || token >= data.message[1]);

// Label of one token, for the axis above (slanted where it would not fit) or at the left.
function paintTokenLabel(context, data, g, look, token) {
  const foreign = ofTemplate(data, token);
  context.font = `${foreign ? "italic " : ""}12px ${look.mono}`;
  context.fillStyle = look.text;
  context.textAlign = "left";
  const alpha = foreign ? 0.62 : 0.8;
  if (g.turned) {
    context.textBaseline = "middle";
    const text = shorten(context, data.tokens[token], g.left - 14);
    paintToken(context, text, 2, g.top + token * g.h - g.y + g.h / 2, alpha);
    return;
  }
  context.save();
  const x = g.left + token * g.w - g.x + g.w / 2;
  if (g.slanted) {
    context.textBaseline = "middle";
    context.translate(x + 1, g.top - 7);
    context.rotate(-Math.PI / 3);
    paintToken(context, shorten(context, data.tokens[token], (g.top - 16) * 1.12), 0, 0, alpha);
  } else {
    context.textBaseline = "alphabetic";
    const text = shorten(context, data.tokens[token], g.w - 4);
    paintToken(context, text, x - context.measureText(text).width / 2, g.top - 9, alpha);
  }
  context.restore();
}

function paintLayerLabel(context, data, g, look, layer) {
  const id = data.layerIds[layer];
  context.font = `12px ${look.mono}`;
  context.fillStyle = look.text;
  context.globalAlpha = 0.7;
  context.textBaseline = "middle";
  context.textAlign = g.turned ? "center" : "right";
  if (g.turned) context.fillText(id, g.left + layer * g.w - g.x + g.w / 2, g.top - 11);
  else context.fillText(id, g.left - 9, g.top + layer * g.h - g.y + g.h / 2);
  context.globalAlpha = 1;
}

function paintLabels(context, data, g, look) {
  const [c0, c1] = visible(g.x, g.viewWidth, g.w, g.across);
  const [r0, r1] = visible(g.y, g.viewHeight, g.h, g.down);
  const column = g.turned ? (c) => paintLayerLabel(context, data, g, look, c)
    : (c) => paintTokenLabel(context, data, g, look, c);
  const row = g.turned ? (r) => paintTokenLabel(context, data, g, look, r)
    : (r) => paintLayerLabel(context, data, g, look, r);
  const spill = g.turned || !g.slanted ? 0 : g.spill;
  clipTo(context, g.left, 0, g.viewWidth + spill, g.top, () => {
    for (let c = c0; c < c1; c++) column(c);
  });
  clipTo(context, 0, g.top, g.left, g.viewHeight, () => {
    for (let r = r0; r < r1; r++) row(r);
  });
  context.font = `12px ${look.sans}`;
  context.globalAlpha = 0.7;
  context.fillStyle = look.text;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(WORDS.layer, g.turned ? 2 : 0, g.top - 11);
  context.globalAlpha = 1;
}

// Rectangle of the cells from one corner to the other, inside the hairline gaps.
function rectangle(g, [token0, layer0, token1, layer1]) {
  const [c0, r0, c1, r1] = g.turned ? [layer0, token0, layer1, token1]
    : [token0, layer0, token1, layer1];
  return [g.left + c0 * g.w - g.x, g.top + r0 * g.h - g.y,
    (c1 - c0 + 1) * g.w - 1, (r1 - r0 + 1) * g.h - 1];
}

function outline(context, g, cells, look, dashed) {
  const [x, y, width, height] = rectangle(g, cells);
  context.setLineDash(dashed ? [3, 2] : []);
  context.lineJoin = "round";
  context.lineWidth = 4.5;
  context.strokeStyle = look.paper;
  if (!dashed) context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  context.lineWidth = dashed ? 1.5 : 2.5;
  context.strokeStyle = dashed ? look.text : look.accent;
  context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  context.setLineDash([]);
}

// Row and column of a cell, as quiet bands to both sides of it.
function crosshair(context, g, token, layer, look) {
  const [x, y, width, height] = rectangle(g, [token, layer, token, layer]);
  context.fillStyle = look.text;
  context.globalAlpha = 0.85;
  for (const edge of [x - 1, x + width]) context.fillRect(edge, g.top, 1, g.viewHeight);
  for (const edge of [y - 1, y + height]) context.fillRect(g.left, edge, g.viewWidth, 1);
  context.globalAlpha = 1;
}

// A small triangle whose tip points along (dx, dy).
function arrow(context, x, y, dx, dy, color) {
  context.fillStyle = color;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - 4 * dy - 5 * dx, y - 4 * dx - 5 * dy);
  context.lineTo(x + 4 * dy - 5 * dx, y + 4 * dx - 5 * dy);
  context.fill();
}
