// What changes in the drawing with the stage; the token itself moves in overview.js.
const SVG = "http://www.w3.org/2000/svg"
const HEIGHT = 76
const OPENS = { text: 1, embedding: 2, attention: 3, router: 4, experts: 7, final: 9, prediction: 9 }

// Where a step of the page Follow stands, in the chosen layer; the beginning if none is asked for.
const stageOf = (stages, step, row) => Math.max(0, stages.findIndex((stage) =>
  OPENS[stage.part] === step && (stage.row === row || !PARTS.includes(stage.part))))

const line = (parent, name, attributes) => {
  const made = document.createElementNS(SVG, name)
  for (const key in attributes) made.setAttribute(key, attributes[key])
  parent.append(made)
  return made
}

const squares = (count) => Array.from({ length: count }, () => document.createElement("i"))

// The parts that stay as they are for one token.
const build = (view) => {
  const { data, part, find } = view
  part.text.lastChild.textContent = filled(WORDS.id, data.token)
  part.embedding.lastChild.textContent = filled(WORDS.norm, { norm: three(data.norms[0]) })
  part.final.lastChild.textContent = filled(WORDS.norm, { norm: three(data.norms.at(-1)) })
  find(".next").replaceChildren(...data.next.map(([text, probability]) => {
    const row = document.createElement("span")
    const [name, value] = [document.createElement("bdi"), document.createElement("bdi")]
    name.textContent = probability === null ? filled(WORDS.in_text, { next: text }) : text
    value.textContent = probability === null ? "" : share(probability)
    row.append(name, value)
    return row
  }))
  find(".runner .token").textContent = data.token.token
  find(".loop span").textContent = filled(WORDS.times, { layers: data.layerIds.length })
  find(".dots").replaceChildren(...squares(data.layerIds.length))
  const grid = find(".grid")
  grid.style.setProperty("--columns", Math.ceil(Math.sqrt(data.experts)))
  grid.replaceChildren(...squares(data.experts))
  for (const name in part) {
    const words = { part: part[name].firstChild.textContent, step: OPENS[name] }
    part[name].setAttribute("aria-label", filled(WORDS.opens, words))
  }
}

// The numbers of the layer that is open: that of the stage, the first before, the last after.
const paintLayer = ({ data, part, find }, row) => {
  const at = Math.min(Math.max(row, 0), data.layerIds.length - 1)
  const layer = data.layerIds[at]
  const words = { layer, first: data.layerIds[0], last: data.layerIds.at(-1) }
  find(".layer").textContent = filled(WORDS.layer, words)
  const adds = (values) => values ? filled(WORDS.adds, { norm: three(values[layer]) }) : ""
  part.attention.lastChild.textContent = adds(data.attention)
  part.router.lastChild.textContent = filled(WORDS.strongest, { layer,
    expert: data.ids[at][0], probability: share(data.probabilities[at][0]) })
  part.experts.lastChild.textContent = [filled(WORDS.kept, { k: data.ids[at].length,
    experts: data.experts, mass: share(data.mass[at]) }), adds(data.added)].filter(Boolean).join(", ")
  return at
}

// Those that ran have a color; while the router looks at all experts, the stronger is the darker.
const paintExperts = ({ data, find }, at, part) => {
  const cells = [...find(".grid").children]
  const shares = data.shares[at]
  const most = Math.max(...shares)
  cells.forEach((cell, id) => {
    const share = part === "router" ? Math.round(80 * Math.sqrt(shares[id] / most)) : 0
    cell.style.background = share
      ? `color-mix(in srgb, var(--st-text-color) ${share}%, var(--line))` : ""
  })
  if (part === "router") return
  data.ids[at].forEach((id, rank) => { cells[id].style.background = data.colors[at][rank] })
}

const paintDots = ({ find }, row) => {
  [...find(".dots").children].forEach((dot, at) => {
    dot.className = at < row ? "past" : at === row ? "now" : ""
  })
}

// The norm over the layers on a logarithmic scale, and the place of each stage on it.
const paintStream = (view) => {
  const { data, stages, find, width } = view
  const svg = find(".stream")
  svg.replaceChildren()
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`)
  const known = stages.map(({ norm }, at) => ({ at, norm })).filter(({ norm }) => norm)
  const logs = known.map(({ norm }) => Math.log(norm))
  const [low, high] = [Math.min(...logs), Math.max(...logs)]
  const x = (at) => 40 + ((width - 96) * at) / (stages.length - 1)
  const y = (norm) => HEIGHT - 20 - ((HEIGHT - 44) * (Math.log(norm) - low)) / (high - low || 1)
  const d = known.map(({ at, norm }) => `${x(at)} ${y(norm)}`).join("L")
  line(svg, "path", { d: `M${d}`, fill: "none", stroke: "var(--quiet)", "stroke-width": 1.5 })
  const write = (words, at, top, anchor) => {
    line(svg, "text", { x: at, y: top, "text-anchor": anchor, "font-size": 13, fill: "var(--quiet)" })
      .textContent = words
  }
  write(three(known[0].norm), x(0) - 8, y(known[0].norm) + 4, "end")
  write(three(known.at(-1).norm), x(known.at(-1).at) + 6, y(known.at(-1).norm) + 4, "start")
  write(WORDS.stream, width, 12, "end")
  data.layerIds.forEach((layer, row) => {
    if (row % (width < 560 ? 5 : 1)) return
    write(layer, x(2 + 3 * row + 1), HEIGHT - 3, "middle")
  })
  view.dot = line(svg, "circle", { r: 5, fill: "var(--accent)", cx: x(0), cy: y(known[0].norm) })
  const norms = stages.map(({ norm }, at) => norm
    ?? known.reduce((near, each) => Math.abs(each.at - at) < Math.abs(near.at - at) ? each : near).norm)
  view.points = norms.map((norm, at) => [x(at), y(norm)])
}
