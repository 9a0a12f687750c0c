// Words about a cell and about the colors. Text from the model only through textContent.

function part(name, text = "", ...children) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  element.append(...children);
  return element;
}

// As many digits as the bytes can carry.
function digits(data, value) {
  const places = data.depth === 2 ? 3 : 2;
  const least = 10 ** -places;
  return value > 0 && value < least / 2 ? `<${least}` : value.toFixed(places);
}

function swatch(color, kind) {
  const element = part(`swatch ${kind}`);
  element.style.setProperty("--color", color);
  return element;
}

const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
const MOST_BYTES = 8; // in a line of the card

// A character, or the code of one that cannot be seen.
const legible = (character) => /[\p{C}\p{Z}]/u.test(character) && character !== " "
  ? `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}` : shown(character);

// [name, value] lines about the bytes of a token, where they are more than a line of ASCII.
function spelled(data, token) {
  const [own, characters, whole] = data.spelling?.(token) ?? [[]];
  if (!own.length || own.every((byte) => byte < 0x80)) return [];
  const some = [...own.subarray(0, MOST_BYTES)].map(hex).join(" ");
  return [[counted(WORDS.bytes, own.length), own.length > MOST_BYTES ? `${some} …` : some],
  [counted(whole ? WORDS.characters : WORDS.part_of, characters.length),
    characters.slice(0, MOST_BYTES).map(legible).join(" ")]];
}

// [name, value] lines of a cell.
function facts(data, index, layer) {
  const ran = data.count(index);
  const use = data.useOf(layer, data.expertAt(index, 0));
  const lines = use ? [[WORDS.used_for, use]] : [];
  lines.push([ran ? filled(WORDS.mass_of_top, { k: ran }) : WORDS.mass,
    digits(data, data.mass(index))]);
  if (data.against) {
    const name = filled(WORDS.kept_by, { name: data.againstName });
    lines.push([name, digits(data, data.against(index))]);
  }
  if (data.factor) lines.push([WORDS.factor, data.factor(index).toPrecision(3)]);
  const value = data.value(index);
  if (data.view === "entropy") {
    lines.push([WORDS.entropy, filled(WORDS.nats, { value: digits(data, value) })]);
  }
  if (data.view === "margin") lines.push([WORDS.margin, digits(data, value)]);
  if (data.view === "drift") {
    const [k, count] = [data.driftKs?.[layer], Math.round(value)];
    lines.push(k ? [filled(WORDS.dropped_out_of, { k }), filled(WORDS.some_of, { count, k })]
      : [WORDS.dropped_out, count]);
  }
  if (data.view === "effect") lines.push(...effect(data, index, layer));
  if (data.view === "follow" && layer === data.row) {
    const words = data.marked(index) ? WORDS.selected : WORDS.cut_off;
    const expert = { layer: data.layerIds[layer], expert: data.expert };
    lines.push([filled(words, expert), digits(data, value)]);
  }
  return lines;
}

const effect = (data, index, layer) => !data.marked(index) ? [WORDS.not_measured] : [
  [WORDS.mattered, `${data.layerIds[layer]}·${data.mattered(index)}`],
  [WORDS.effect, filled(WORDS.nats_of_kl, { value: data.value(index).toPrecision(2) })],
];

// "strongest of 8, 0.09": the one whose id stands in the cell is one of several.
const strongest = (data, index) => filled(data.count(index) ? WORDS.strongest_of : WORDS.strongest,
  { ran: data.count(index), probability: digits(data, data.probabilityAt(index, 0)) });

// What a screen reader hears.
function sentence(data, token, layer) {
  const index = token * data.layers + layer;
  const first = filled(WORDS.spoken, {
    token, text: data.tokens[token], layer: data.layerIds[layer], expert: data.expertAt(index, 0),
    strongest: strongest(data, index),
  });
  const lines = [...spelled(data, token), ...facts(data, index, layer)];
  if (ofTemplate(data, token)) lines.unshift([WORDS.of_template]);
  return [first, ...lines.map((line) => `${line.join(" ")}.`)].join(" ");
}

function writeCard(card, data, token, layer) {
  const index = token * data.layers + layer;
  const ran = data.count(index) ?? data.shown;
  const rows = Array.from({ length: data.shown }, (_, rank) => {
    const id = data.expertAt(index, rank);
    const p = data.probabilityAt(index, rank);
    const bar = part("bar");
    bar.style.setProperty("--share", p / (data.probabilityAt(index, 0) || 1));
    const color = data.colorOf(layer, id);
    bar.style.setProperty("--color", color);
    const kind = rank < ran ? "selected" : "cut";
    return part(`expert ${kind}`, "", swatch(color, kind),
      part("number", id), bar, part("number", digits(data, p)));
  });
  const note = data.shown < ran ? filled(WORDS.shown, { shown: data.shown, ran })
    : data.shown === ran ? "" : data.ks ? filled(WORDS.hollow_at, { k: ran }) : WORDS.hollow;
  card.replaceChildren(
    part("title", "", part("token", data.tokens[token]),
      part("place", filled(WORDS.cell, { token, layer: data.layerIds[layer] }))),
    ...(ofTemplate(data, token) ? [part("note", WORDS.of_template)] : []),
    ...factLines(spelled(data, token)),
    part("strongest", `${data.layerIds[layer]}·${data.expertAt(index, 0)} ${strongest(data, index)}`),
    part(`experts${rows.length > 8 ? " two" : ""}`, "", ...rows),
    ...(note ? [part("note", note)] : []),
    ...factLines(facts(data, index, layer)),
  );
}

const factLines = (lines) => lines.map(([name, value]) =>
  part("fact", "", part("name", name), part("number", value)));

// Whether what stands so high in the frame is seen: below the head of the page, which stays in view.
const isSeen = (frame, top) => frame.getBoundingClientRect().top + zoomOf(frame) * top
  >= Math.max(document.querySelector("header")?.getBoundingClientRect().bottom ?? 0, 0);

// Beside the cell, on the side where there is room; else below it, or above it where the map ends
// below and the card is seen above. Beside a range as well, and where there is no room beside it
// nowhere: the card would lie over cells that one wants to see.
function placeCard(card, g, [x, y, width, height], whole, isRange) {
  const box = [card.offsetWidth, card.offsetHeight];
  const right = x + width + 14;
  const left = right + box[0] <= whole ? right : x - 14 - box[0];
  const fits = left >= 0;
  const below = y + height + 14 + box[1] <= g.height
    || (!isRange && !isSeen(card.parentElement, y - 14 - box[1]));
  const beside = Math.min(Math.max(y - 12, 0), Math.max(g.height - box[1], 0));
  card.hidden = isRange && !fits && !below;
  card.style.left = `${fits ? left : Math.max(Math.min(x, whole - box[0]), 0)}px`;
  card.style.top = `${fits ? beside : below ? y + height + 14 : y - box[1] - 14}px`;
}

function writeLegend(legend, data, look) {
  const [words, shade] = data.legend;
  const shows = data.view === "strongest";
  const sample = rgb(data.colors[Math.min(5, data.colors.length - 1)]);
  const stops = shows
    ? [0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1].map((share) =>
      `${css(shaded(look.paperRgb, sample, share))} ${100 * share}%`)
    : data.scale;
  const ramp = part("ramp");
  ramp.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  const [low, high] = data.usual;
  const scale = part("scale", "", part("words", shade),
    part("number", data.low < low ? `≤ ${low}` : low), ramp,
    part("number", data.high > high ? `≥ ${high}` : high));
  const names = shows && data.domains ? [...data.domains, WORDS.no_use] : [];
  const uses = names.map((name, at) => part("use", "", swatch(data.colors[at], ""), part("", name)));
  legend.replaceChildren(part("words", words), ...(uses.length ? [part("uses", "", ...uses)] : []),
    ...(data.high > 0 ? [scale] : []));
}
