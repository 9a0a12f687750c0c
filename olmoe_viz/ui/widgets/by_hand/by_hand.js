// A figure of a router whose bars, cutoff and mass follow two sliders. Everything is computed here
// from the recorded logits; where the sliders stand as in the model, Python's own figure is shown.
const hands = new WeakMap() // element of the page -> its sliders' values and what they are about

const three = (value) => String(Number(value.toPrecision(3)))

// Like labels.digits in Python.
const digits = (value) => value === 0 ? "0" : value < 1e-4 ? value.toExponential(2)
  : value.toPrecision(3)

const softmax = (logits, temperature) => {
  const most = Math.max(...logits)
  const powers = logits.map((logit) => Math.exp((logit - most) / temperature))
  const sum = powers.reduce((all, power) => all + power)
  return powers.map((power) => power / sum)
}

// As Python's marks.ticks.
const roundTicks = (high, most = 5) => {
  const rough = high / most
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step = unit * [2, 5, 10, 20].find((size) => size * unit >= rough)
  const count = Math.floor(high / step + 1e-9)
  return Array.from({ length: count + 1 }, (_, at) => [at * step, three(at * step)])
}

const running = (values) => {
  let sum = 0
  return values.map((value) => (sum += value))
}

const minus = (words, values) => filled(words, values).replaceAll("-", "−")

// Bars by rank, filled up to k, with the cutoff of k in force and those of other ks as dotted lines.
const cutFigure = ({ figure, columns, marks }, shares, k) => {
  const [bars] = figure.marks
  const masses = running(shares)
  const chosen = shares.map((_, at) => at < k)
  const cuts = [...new Set([k, ...marks])].sort((one, other) => one - other)
  return {
    ...figure,
    marks: [{
      ...bars,
      high: shares,
      fills: bars.outlines.map((color, at) => chosen[at] ? color : "none"),
      hover: bars.hover.map((words, at) => {
        const [first, , , ...more] = words.split("\n")
        return [first, filled(WORDS.probability, { probability: three(shares[at]) }),
          filled(WORDS.mass, { mass: three(masses[at]) }), ...more].join("\n")
      }),
      numbers: { ...bars.numbers, [columns.probability]: shares, [columns.mass]: masses,
        [columns.selected]: chosen },
    }],
    rules: cuts.map((cut, at) => ({ ...figure.rules[0], at: cut + 0.5, reach: 1 - 0.085 * at,
      color: cut === k ? "accent" : "muted", width: cut === k ? 2 : 1, dotted: cut !== k })),
    notes: cuts.map((cut, at) => {
      const left = cut < 0.6 * shares.length
      return { ...figure.notes[0], x: cut + 0.5, y: 1 - 0.085 * at, anchor: left ? "start" : "end",
        text: filled(WORDS.cut, { k: cut, mass: digits(masses[cut - 1]) }),
        shift: [left ? 6 : -6, 9], color: cut === k ? "accent" : "muted",
        size: cut === k ? 14 : 13, bold: cut === k }
    }),
    y: height(figure.y, shares[0] * (1.12 + 0.05 * cuts.length)),
  }
}

const height = (axis, high) => ({ ...axis, span: [0, high], ticks: roundTicks(high) })

// Bars by id, the eight highest named.
const spreadFigure = ({ figure, columns }, shares) => {
  const [bars] = figure.marks
  const order = shares.map((_, at) => at).sort((one, other) => shares[other] - shares[one] || one - other)
  const named = new Set(order.slice(0, 8))
  return {
    ...figure,
    marks: [{
      ...bars,
      high: shares,
      names: shares.map((_, at) => named.has(at) ? String(at) : ""),
      hover: bars.hover.map((words, at) => {
        const [first, , ...more] = words.split("\n")
        return [first, filled(WORDS.probability, { probability: three(shares[at]) }), ...more].join("\n")
      }),
      numbers: { ...bars.numbers, [columns.probability]: shares },
    }],
    y: height(figure.y, Math.max(...shares, figure.rules.at(-1).at) * 1.28),
  }
}

const entropyOf = (shares) => -shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0)

// The curve of the entropy with its dot, the second mark, where the slider is.
const curveFigure = (figure, temperature, shares) => {
  const entropy = entropyOf(shares)
  const words = { temperature: temperature.toFixed(2), entropy: digits(entropy) }
  const [curve, dot] = figure.marks
  const [even, note] = figure.notes
  const left = temperature < 2
  return {
    ...figure,
    marks: [curve, { ...dot, x: [temperature], y: [entropy], hover: [filled(WORDS.at, words)] }],
    notes: [even, { ...note, x: temperature, y: entropy, text: filled(WORDS.here, words),
      anchor: left ? "start" : "end", shift: [left ? 10 : -4, note.shift[1]] }],
  }
}

const words = ({ data, temperature, k }, shares) => {
  const shown = { temperature: temperature.toFixed(2), k, experts: shares.length }
  if (!data.k) {
    const entropy = entropyOf(shares)
    return minus(WORDS.spread, { ...shown, entropy: digits(entropy), effective: Math.exp(entropy).toFixed(1) })
  }
  if (k === shares.length) return minus(WORDS.all, shown)
  return minus(WORDS.kept, { ...shown, mass: digits(running(shares)[k - 1]),
    margin: digits(shares[k - 1] - shares[k]) })
}

const redraw = (hand) => {
  const { call, data, temperature, k, part } = hand
  const own = temperature === 1 && (!data.k || k === data.k)
  const shares = softmax(data.logits, temperature)
  const figure = own ? data.figure
    : data.k ? cutFigure(data, shares, k) : spreadFigure(data, shares)
  const found = words(hand, shares)
  part(".temperature output").textContent = temperature.toFixed(2)
  part(".k output").textContent = k
  part(".reset").disabled = own
  const sentences = [found, own ? WORDS.own : WORDS.dragged]
  part(".found").textContent = sentences.join(" ")
  showFigure(hand, ".bars", { figure, alt: own ? data.alt : found, name: data.name })
  if (!data.curve) return
  const curve = own ? data.curve.figure : curveFigure(data.curve.figure, temperature, shares)
  showFigure(hand, ".curve", { ...data.curve, figure: curve, alt: own ? data.curve.alt : found })
}

const showFigure = ({ call }, name, data) =>
  show({ ...call, parentElement: call.parentElement.querySelector(name), data })

const begun = (parent) => {
  const part = (name) => parent.querySelector(`.hand ${name}`)
  const hand = { part, told: "" }
  const slide = () => {
    hand.temperature = 2 ** Number(part(".temperature input").value)
    hand.k = Number(part(".k input").value)
    redraw(hand)
  }
  for (const input of parent.querySelectorAll(".hand input")) input.oninput = slide
  part(".reset").onclick = () => reset(hand)
  return hand
}

const reset = (hand) => {
  Object.assign(hand, { temperature: 1, k: hand.data.k ?? 1 })
  hand.part(".temperature input").value = 0
  hand.part(".k input").value = hand.k
  redraw(hand)
}

// What is new is shown as the model had it; what is not stays as it was dragged.
const showHand = (call) => {
  const { parentElement, data } = call
  if (!hands.has(parentElement)) hands.set(parentElement, begun(parentElement))
  const hand = hands.get(parentElement)
  const told = JSON.stringify(data)
  Object.assign(hand, { call, data })
  if (hand.told === told) return redraw(hand)
  hand.told = told
  hand.part(".k").hidden = !data.k
  parentElement.querySelector(".curve").hidden = !data.curve
  hand.part(".k input").max = data.logits.length
  return reset(hand)
}

const closeHand = ({ parentElement, data }) => {
  for (const name of data.curve ? [".bars", ".curve"] : [".bars"]) {
    close({ parentElement: parentElement.querySelector(name) })
  }
}

export default (call) => mount(call, showHand, closeHand)
