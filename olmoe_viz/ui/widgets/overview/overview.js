// The whole model in one drawing, through which a token moves: by itself, with keys, or by hand.
const views = new WeakMap()
const NARROW = 1000 // px, below which the block has a row of its own
const PHONE = 560

class Overview {
  constructor(parent) {
    this.root = parent.querySelector(".model-overview")
    this.find = (name) => this.root.querySelector(name)
    this.part = Object.fromEntries([...this.root.querySelectorAll(".part")]
      .map((part) => [part.dataset.part, part]))
    this.at = 0 // the stage, between two of them while the token moves
    this.painted = -1
    this.frame = 0
    this.slider = this.find("input")
    // Where the parts are is asked for when the page has been laid out: asking at each change would
    // lay out all of it once more.
    this.size = new ResizeObserver(() => this.layout())
    for (const each of [this.root, ...Object.values(this.part)]) this.size.observe(each)
    this.slider.oninput = () => this.go(Number(this.slider.value))
    this.find(".play").onclick = () => this.toggle()
    for (const button of this.root.querySelectorAll(".move")) {
      const to = { first: () => 0, back: () => Math.ceil(this.at) - 1, on: () => Math.floor(this.at) + 1 }
      button.onclick = () => this.go(to[button.dataset.to]())
    }
    for (const name in this.part) this.part[name].onclick = () => this.open(name)
  }

  show(data) {
    const drawn = JSON.stringify(data)
    if (drawn === this.drawn) return
    const first = !this.drawn
    this.drawn = drawn
    const before = this.data?.row
    this.data = data
    this.stages = stagesOf(data)
    this.slider.max = this.stages.length - 1
    build(this)
    this.painted = -1
    if (this.width) paintStream(this)
    if (first) this.go(data.plays ? 0 : stageOf(this.stages, data.opens, data.row))
    else if (before !== data.row) this.go(stageOf(this.stages, OPENS.attention, data.row))
    else this.paint()
    this.find(".play").hidden = still()
    this.label()
    if (first && data.plays && !still()) this.toggle()
    if (data.opens) this.lead(data.opens)
  }

  layout() {
    const width = this.root.clientWidth
    if (!width || !this.data) return
    this.root.classList.toggle("plays", this.data.plays)
    this.root.classList.toggle("narrow", width < NARROW)
    this.root.classList.toggle("phone", width < PHONE)
    if (width !== this.width) {
      this.width = width
      paintStream(this)
    }
    const whole = this.find(".model").getBoundingClientRect()
    const zoom = zoomOf(this.root)
    const place = (element) => {
      const box = element.getBoundingClientRect()
      return [(box.left - whole.left) / zoom + 8, (box.top - whole.top) / zoom - 15]
    }
    this.places = Object.fromEntries(Object.keys(this.part).map((name) => [name, place(this.part[name])]))
    this.turn = place(this.find(".loop"))
    this.place()
  }

  // Where the token is between two stages. From layer to layer it goes back along the loop.
  spot() {
    const from = Math.floor(this.at)
    const to = Math.min(from + 1, this.stages.length - 1)
    const rest = this.at - from
    const part = rest < 0.5 ? 0 : (rest - 0.5) * 2 // it stays first, then it moves
    const eased = part * part * (3 - 2 * part)
    const [start, end] = [from, to].map((at) => this.places[this.stages[at].part])
    if (this.stages[to].part !== "attention" || this.stages[from].part !== "experts") {
      return [start[0] + (end[0] - start[0]) * eased, start[1] + (end[1] - start[1]) * eased]
    }
    const down = this.turn[1] + 14
    const x = start[0] + (end[0] - start[0]) * eased
    return [x, start[1] + (end[1] - start[1]) * eased + (down - start[1]) * Math.sin(Math.PI * eased)]
  }

  place() {
    if (!this.places) return // not laid out yet
    const [x, y] = this.spot()
    this.find(".runner").style.transform = `translate(${x}px, ${y}px)`
    const from = Math.floor(this.at)
    const [[x0, y0], [x1, y1]] = [from, Math.min(from + 1, this.points.length - 1)]
      .map((at) => this.points[at])
    const rest = this.at - from
    this.dot.setAttribute("cx", x0 + (x1 - x0) * rest)
    this.dot.setAttribute("cy", y0 + (y1 - y0) * rest)
  }

  paint() {
    const at = Math.floor(this.at)
    this.place()
    if (at === this.painted) return
    this.painted = at
    const stage = this.stages[at]
    const row = paintLayer(this, stage.row)
    paintDots(this, stage.row)
    paintExperts(this, row, stage.part)
    for (const name in this.part) this.part[name].classList.toggle("now", name === stage.part)
    this.find(".runner .now").textContent = stage.norm ? three(stage.norm) : ""
    this.find(".said").textContent = stage.said
    this.find(".place").textContent = stage.place
    this.slider.value = at
    this.slider.setAttribute("aria-valuetext", stage.said)
    const last = this.stages.length - 1
    this.find("[data-to=first]").disabled = this.find("[data-to=back]").disabled = at === 0
    this.find("[data-to=on]").disabled = at === last
  }

  go(stage) {
    this.pause()
    this.at = Math.min(Math.max(stage, 0), this.stages.length - 1)
    this.paint()
  }

  pause() {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    this.label()
  }

  label() {
    this.find(".play").textContent = this.frame ? WORDS.pause : WORDS.play
  }

  toggle() {
    if (this.frame) return this.pause()
    const last = this.stages.length - 1
    if (this.at >= last) this.at = 0
    let before = 0
    const step = (now) => {
      const passed = before ? Math.min(now - before, 100) : 0
      before = now
      this.at += passed / duration(this.stages[Math.floor(this.at)], this.data.layerIds.length)
      if (this.at >= last) return this.go(last)
      this.paint()
      this.frame = requestAnimationFrame(step)
    }
    this.frame = requestAnimationFrame(step)
    this.label()
  }

  // A part opens its step, in the layer that is seen; the step is here or on another page.
  open(name) {
    this.pause()
    const row = Math.min(Math.max(this.stages[Math.floor(this.at)].row, 0), this.data.layerIds.length - 1)
    this.send({ step: OPENS[name], layer: this.data.layerIds[row] })
    if (this.data.here) goTo(OPENS[name])
  }

  // Steps come one after the other, while the page is being drawn.
  lead(step) {
    if (goTo(step)) return
    this.coming?.disconnect()
    this.coming = new MutationObserver(() => { if (goTo(step)) this.coming.disconnect() })
    this.coming.observe(document.body, { childList: true, subtree: true })
  }

  close() {
    this.pause()
    this.coming?.disconnect()
    this.size.disconnect()
  }
}

const show = ({ parentElement, data, setTriggerValue }) => {
  let view = views.get(parentElement)
  if (!view) views.set(parentElement, (view = new Overview(parentElement)))
  view.send = (value) => setTriggerValue("open", value)
  view.show(data)
}

export default (call) => mount(call, show, ({ parentElement }) => views.get(parentElement)?.close())
