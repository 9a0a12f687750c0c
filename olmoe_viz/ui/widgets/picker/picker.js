const clamp = (value, low, high) => Math.min(Math.max(value, low), high)

const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }

const build = (data, pick) =>
  data.cells.map((cell, index) => {
    const button = document.createElement("button")
    button.type = "button"
    button.setAttribute("role", "radio")
    button.setAttribute("aria-label", cell.words)
    button.title = cell.words
    button.classList.toggle("quiet", cell.quiet)
    for (const part of ["name", "note"]) {
      const span = document.createElement("span")
      span.className = part
      span.textContent = cell[part]
      button.append(span)
    }
    if (cell.fill) {
      button.style.setProperty("--fill", cell.fill)
      button.style.setProperty("--ink", cell.ink)
    }
    button.onclick = () => pick(index)
    return button
  })

const show = ({ parentElement, data, setTriggerValue }) => {
  const group = parentElement.querySelector("[role=radiogroup]")
  group.setAttribute("aria-label", data.label)
  group.className = data.shape
  group.dir = data.dir
  group.style.setProperty("--count", data.cells.length)
  const pick = (index) => setTriggerValue("pick", index)
  // What has not changed is not drawn again, so that focus and scroll position stay.
  const drawn = JSON.stringify(data.cells)
  if (group.drawn !== drawn) {
    const focused = group.contains(group.getRootNode().activeElement)
    group.replaceChildren(...build(data, pick))
    group.drawn = drawn
    if (focused) group.children[data.chosen]?.focus()
  }
  const cells = [...group.children]
  cells.forEach((cell, index) => {
    cell.setAttribute("aria-checked", String(index === data.chosen))
    cell.tabIndex = index === data.chosen ? 0 : -1
    cell.onclick = () => pick(index)
  })
  // Of a long prompt only a part fits: the chosen cell is brought into it.
  const cell = cells[data.chosen]
  if (group.shown !== data.chosen && cell) {
    group.scrollTop = cell.offsetTop - group.clientHeight / 2
  }
  group.shown = data.chosen
  group.onkeydown = (event) => {
    const at = cells.indexOf(group.getRootNode().activeElement)
    const ends = { Home: 0, End: cells.length - 1 }
    const turn = data.dir === "rtl" && /Left|Right/.test(event.key) ? -1 : 1
    const next = event.key in ends ? ends[event.key] : at + turn * (STEPS[event.key] ?? 0)
    if (at < 0 || next === at || Number.isNaN(next)) return
    cells[clamp(next, 0, cells.length - 1)].focus()
    event.preventDefault()
  }
}

export default (call) => mount(call, show)
