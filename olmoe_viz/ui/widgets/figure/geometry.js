// Where things stand: the axes' scales, the room around them, and the small SVG helpers.

const SVG = "http://www.w3.org/2000/svg"
const INKS = {
  ink: "var(--st-text-color)",
  muted: "var(--st-gray-text-color)",
  line: "var(--st-border-color)",
  accent: "var(--st-primary-color)",
  paper: "var(--st-background-color)",
  panel: "var(--st-secondary-background-color)",
}
// LOOK comes from Python's figures/look.py, which says what its entries are.
const { caption: CAPTION, small: SMALL, digit: DIGIT, key: KEY, tick: TICK } = LOOK
const NOTHING = []

const hasKey = (figure) => figure.marks.some(({ name }) => name)

const ink = (color) => INKS[color] ?? color

const shape = (name, attributes, words) => {
  const made = document.createElementNS(SVG, name)
  for (const key in attributes) made.setAttribute(key, attributes[key])
  if (words !== undefined) made.textContent = words
  return made
}

// A line in an ink, nothing inside of it.
const stroke = (d, color = "line", attributes = {}) =>
  shape("path", { d, stroke: ink(color), fill: "none", ...attributes })

const dashed = (dash) => LOOK.dashes[dash] ? { "stroke-dasharray": LOOK.dashes[dash] } : {}

// Words centered on their line. `turn` is in degrees, about the point where they are anchored.
const write = (words, x, y, { anchor = "middle", size = CAPTION, color = "muted", number = false,
  bold = false, turn = 0 } = {}) => {
  const attributes = {
    x, y, "text-anchor": anchor, "font-size": size, fill: ink(color), dy: "0.34em",
  }
  if (number) attributes["font-family"] = LOOK.number_font
  if (bold) attributes["font-weight"] = 700
  if (turn) attributes.transform = `rotate(${turn} ${x} ${y})`
  return shape("text", attributes, words)
}

const scale = ({ span, log }, from, to) => {
  const turn = log ? Math.log : (value) => value
  const [low, high] = span.map(turn)
  return (value) => from + ((turn(value) - low) / (high - low)) * (to - from)
}

const longest = (ticks) => Math.max(0, ...ticks.map(([, words]) => [...words].length))

// Words under an axis lie flat while they fit, else slant, else stand; then some are left out.
const turned = (axis, width) => {
  const size = axis.number ? SMALL : CAPTION
  const length = longest(axis.ticks) * DIGIT * size
  const values = axis.ticks.map(([value]) => value)
  const reach = Math.abs(axis.span[1] - axis.span[0])
  const steps = values.slice(1).map((value, at) => Math.abs(value - values[at]))
  const pitch = axis.log || !steps.length ? width : (Math.min(...steps) / reach) * width
  if (length + 2 <= pitch || !axis.number) return { turn: 0, room: size, every: 1 }
  const turn = pitch >= LOOK.slanted_from ? 30 : 90
  const room = turn === 30 ? length / 2 + size : length
  return { turn, room, every: turn === 30 ? 1 : Math.ceil(LOOK.pitch / pitch) }
}

// The figure's inner box and the scale of every axis.
const geometry = (figure, width) => {
  const [top, right, bottom, left] = figure.margin
  // While the page is being built a figure can be narrower than its margins.
  const inner = { left, right: Math.max(width - right, left + 1), top }
  const lie = turned(figure.x[0], inner.right - left)
  inner.bottom = figure.height - Math.max(bottom, lie.turn ? lie.room + 10 : 0)
  const wide = inner.right - left
  const xs = figure.x.map((axis) =>
    scale(axis, left + axis.part[0] * wide, left + axis.part[1] * wide))
  return { ...inner, width, height: figure.height, xs, lie, y: scale(figure.y, inner.bottom, top) }
}

// Where each name of the key below the figure begins: from the left, and in which row.
const keyPlaces = (figure, width) => {
  const left = figure.margin[3]
  let [x, row] = [left, 0]
  return figure.marks.filter(({ name }) => name).map((mark) => {
    const wide = 36 + mark.name.length * DIGIT * CAPTION
    if (x + wide > width && x > left) [x, row] = [left, row + 1]
    const place = { mark, x, row }
    x += wide + 12
    return place
  })
}

// A figure has room for two rows of its key; on a narrow screen it grows by those that are more.
const heightOf = (figure, width) => {
  const rows = keyPlaces(figure, width).map(({ row }) => row + 1)
  return figure.height + LOOK.key_row * Math.max(0, ...rows.map((count) => count - 2))
}

const drawBelow = (axis, at, g, foot) => {
  const from = at(axis.span[0])
  const to = at(axis.span[1])
  const parts = []
  if (!axis.bare) {
    const marks = axis.ticks.map(([value]) => `M${at(value)} ${g.bottom}v${TICK}`).join("")
    parts.push(stroke(`M${from} ${g.bottom}H${to}${marks}`))
  }
  const { turn, every } = g.lie
  const size = axis.number ? SMALL : CAPTION
  axis.ticks.forEach(([value, words], index) => {
    if (index % every) return
    const y = g.bottom + (turn ? 7 : 13)
    const anchor = turn ? "start" : "middle"
    parts.push(write(words, at(value), y, { anchor, size, turn, number: axis.number }))
  })
  if (axis.title) parts.push(write(axis.title, (from + to) / 2, g.height - 9 - foot))
  return parts
}

const drawLeft = (axis, g) => {
  const parts = []
  if (!axis.bare) {
    const marks = axis.ticks.map(([value]) => `M${g.left} ${g.y(value)}h-${TICK}`).join("")
    parts.push(stroke(`M${g.left} ${g.top}V${g.bottom}${marks}`))
  }
  const size = axis.number ? SMALL : CAPTION
  for (const [value, words] of axis.ticks) {
    parts.push(write(words, g.left - 7, g.y(value), { anchor: "end", size, number: axis.number }))
  }
  if (axis.title) {
    const aside = Math.max(g.left - 17 - longest(axis.ticks) * DIGIT * size, 8)
    parts.push(write(axis.title, aside, (g.top + g.bottom) / 2, { turn: -90 }))
  }
  return parts
}

const drawAxes = (figure, g) => [
  ...figure.x.flatMap((axis, index) => drawBelow(axis, g.xs[index], g, hasKey(figure) ? KEY : 0)),
  ...drawLeft(figure.y, g),
]
