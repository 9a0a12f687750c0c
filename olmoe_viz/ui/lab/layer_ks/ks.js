const PAUSE = 350 // ms without a move, after which all ks are told
const states = new WeakMap()

const made = (kind, name) => {
  const element = document.createElement(kind)
  element.className = name
  return element
}

const build = (layers) =>
  layers.map(({ layer, name }) => {
    const line = made("label", "layer")
    const head = made("span", "id")
    head.textContent = layer
    head.setAttribute("aria-hidden", "true")
    const slider = made("input", "slider")
    slider.type = "range"
    slider.min = 0
    slider.setAttribute("aria-label", name)
    const value = made("span", "k")
    value.setAttribute("aria-hidden", "true")
    line.append(head, slider, value)
    return line
  })

const say = (line, data) => {
  const [, slider, value] = line.children
  const k = data.stops[slider.value]
  value.textContent = k
  value.classList.toggle("other", k !== data.trained)
  slider.setAttribute("aria-valuetext", data.said.replace("{k}", k))
}

const show = ({ parentElement, data, setTriggerValue }) => {
  const group = parentElement.querySelector(".ks")
  group.setAttribute("aria-label", data.label)
  // The sliders stay, so that focus and a drag do.
  const size = String(data.layers.map(({ layer }) => layer))
  if (group.dataset.size !== size) {
    group.replaceChildren(...build(data.layers))
    group.dataset.size = size
  }
  const state = states.get(group) ?? {}
  states.set(group, state)
  const told = String(data.layers.map(({ k }) => k))
  // What the hand has moved since is newer than what the page says.
  if (!state.timer) {
    data.layers.forEach(({ k }, at) => {
      const slider = group.children[at].children[1]
      slider.max = data.stops.length - 1
      slider.value = data.stops.indexOf(k)
    })
  }
  for (const line of group.children) say(line, data)
  group.oninput = (event) => {
    say(event.target.closest(".layer"), data)
    clearTimeout(state.timer)
    state.timer = setTimeout(() => {
      state.timer = 0
      const ks = [...group.children].map((line) => data.stops[line.children[1].value])
      if (String(ks) !== told) setTriggerValue("pick", ks)
    }, PAUSE)
  }
}

export default (call) => mount(call, show)
