// The figure as a whole: what is not a mark, the card, and when to draw again.

const drawRule = (rule, g) => {
  const at = rule.along === "x" ? g.xs[0](rule.at) : g.y(rule.at)
  const d = rule.along === "x"
    ? `M${at} ${g.bottom}V${g.bottom - rule.reach * (g.bottom - g.top)}`
    : `M${g.left} ${at}H${g.left + rule.reach * (g.right - g.left)}`
  const dash = dashed(rule.dotted ? "dot" : "solid")
  return stroke(d, rule.color, { "stroke-width": rule.width, ...dash })
}

const drawNote = (note, g) => {
  const share = (from, to, part) => from + part * (to - from)
  const x = note.paper.includes("x") ? share(g.left, g.right, note.x) : g.xs[0](note.x)
  const y = note.paper.includes("y") ? share(g.bottom, g.top, note.y) : g.y(note.y)
  return write(note.text, x + note.shift[0], y + note.shift[1], note)
}

const drawBox = ({ sides: [left, right, top, bottom], color }, g) => {
  const corner = [g.xs[0](left), g.y(top)]
  return shape("rect", {
    x: corner[0], y: corner[1], width: g.xs[0](right) - corner[0], height: g.y(bottom) - corner[1],
    fill: "none", stroke: ink(color), "stroke-width": LOOK.box,
  })
}

const drawColorBar = (bar, g, context) => {
  const left = g.right + 16
  const ramp = context.createLinearGradient(0, g.bottom, 0, g.top)
  bar.scale.forEach((color, at) => ramp.addColorStop(at / (bar.scale.length - 1), color))
  context.fillStyle = ramp
  context.fillRect(left, g.top, LOOK.color_bar, g.bottom - g.top)
  const at = scale(bar, g.bottom, g.top)
  const marks = bar.ticks.map(([value]) => `M${left + LOOK.color_bar} ${at(value)}h3`).join("")
  const parts = [stroke(marks)]
  for (const [value, words] of bar.ticks) {
    parts.push(write(words, left + LOOK.color_bar + 6, at(value), { anchor: "start" }))
  }
  if (bar.title) parts.push(write(bar.title, g.width - 8, (g.top + g.bottom) / 2, { turn: -90 }))
  return parts
}

const clean = (canvas, figure, width) => {
  const ratio = devicePixelRatio * zoomOf(canvas)
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(heightOf(figure, width) * ratio)
  const context = canvas.getContext("2d")
  context.scale(ratio, ratio)
  return context
}

// Returns what finds the mark under a point.
const draw = ({ canvas, svg }, figure, width) => {
  const g = geometry(figure, width)
  const painted = figure.bar || figure.marks.some(({ kind }) => kind === "Cells")
  canvas.hidden = !painted
  const context = painted ? clean(canvas, figure, width) : null
  const marks = figure.marks.map((mark) => MARKS[mark.kind](mark, g, context))
  svg.replaceChildren(
    ...drawAxes(figure, g),
    ...(figure.bar ? drawColorBar(figure.bar, g, context) : NOTHING),
    ...figure.rules.filter(({ color }) => color === "line").map((rule) => drawRule(rule, g)),
    ...marks.flatMap(({ drawn }) => drawn),
    ...figure.rules.filter(({ color }) => color !== "line").map((rule) => drawRule(rule, g)),
    ...figure.boxes.map((box) => drawBox(box, g)),
    ...figure.notes.map((note) => drawNote(note, g)),
    ...drawKey(figure, g),
  )
  return (point) => marks
    .map(({ pick }) => pick(point))
    .filter(Boolean)
    .sort((one, other) => (one.far ?? 0) - (other.far ?? 0))[0]
}

// Above the mark, or below the pointer where the window ends; never beyond the figure's sides.
const place = (card, found, point, { width, top }) => {
  const left = Math.min(Math.max(found.x - card.offsetWidth / 2, 0), width - card.offsetWidth)
  const above = Math.min(found.y, point.y) - card.offsetHeight - 10
  card.style.left = `${Math.max(left, 0)}px`
  card.style.top = `${above + top > 0 ? above : point.y + 24}px`
}

const answer = (parts, state) => {
  const { image, card } = parts
  const hide = () => card.classList.remove("open")
  const look = ({ clientX, clientY }) => {
    const zoom = zoomOf(image)
    const [left, top, width] = ["left", "top", "width"]
      .map((side) => image.getBoundingClientRect()[side] / zoom)
    const point = { x: clientX / zoom - left, y: clientY / zoom - top }
    const found = state.find?.(point)
    if (!found) return hide()
    card.textContent = found.words
    card.classList.add("open")
    return place(card, found, point, { width, top })
  }
  image.onpointermove = look
  image.onpointerdown = look
  image.onpointerleave = hide
  image.onpointercancel = hide
}

const states = new WeakMap()

const begin = (parts) => {
  const state = { width: 0, find: null, figure: null, name: "", told: "" }
  state.draw = () => {
    if (!state.width) return
    parts.image.style.height = `${heightOf(state.figure, state.width)}px`
    state.find = draw(parts, state.figure, state.width)
  }
  // The width comes from the observer alone: asking for it would lay out the whole page.
  state.observer = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === state.width) return
    state.width = contentRect.width
    state.draw()
  })
  answer(parts, state)
  offer(parts, state)
  return state
}

const show = ({ parentElement, data }) => {
  const part = (name) => parentElement.querySelector(name)
  const image = part(".image")
  const parts = {
    image, canvas: part("canvas"), svg: part("svg"), card: part(".card"), menu: part(".menu"),
    numbers: part(".numbers"),
  }
  const state = states.get(parentElement) ?? begin(parts)
  const told = JSON.stringify(data)
  if (state.told !== told) {
    state.told = told
    state.figure = data.figure
    state.name = data.name
    // Only now: until there is a figure, there is nothing for anybody to hear.
    image.setAttribute("role", "img")
    image.setAttribute("aria-label", data.alt)
    if (!state.width) image.style.height = `${data.figure.height}px`
    parts.menu.hidden = false
    parts.card.classList.remove("open")
    state.draw()
    drawNumbers(parts, state)
  }
  if (!states.has(parentElement)) state.observer.observe(image)
  states.set(parentElement, state)
}

const close = ({ parentElement }) => {
  const state = states.get(parentElement)
  state.observer.disconnect()
  state.quit()
}
