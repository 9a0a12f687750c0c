const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }

const element = (kind, role, text = "") => {
  const made = document.createElement(kind)
  made.setAttribute("role", role)
  made.textContent = text
  return made
}

const build = (rows) =>
  rows.map((row) => {
    const line = element("div", "row")
    const head = element("span", "rowheader", String(row.layer))
    head.setAttribute("aria-label", row.name)
    line.append(head)
    row.fills.forEach((_, expert) => {
      const cell = element("span", "gridcell")
      cell.dataset.expert = expert
      cell.tabIndex = -1
      line.append(cell)
    })
    return line
  })

// Every eighth id, above its column.
const ids = (count) =>
  Array.from({ length: count }, (_, id) => {
    const span = document.createElement("span")
    span.textContent = id % 8 === 0 ? String(id) : ""
    return span
  })

const paint = (grid, data) =>
  data.rows.forEach((row, at) => {
    const line = grid.children[at]
    line.classList.toggle("here", row.layer === data.layer)
    row.fills.forEach((fill, expert) => {
      const cell = line.children[expert + 1]
      cell.style.setProperty("--fill", fill)
      cell.classList.toggle("ran", row.ran[expert])
      cell.classList.toggle("done", row.signs[expert] !== "")
      cell.textContent = row.signs[expert]
      cell.title = row.words[expert]
      cell.setAttribute("aria-label", row.words[expert])
    })
  })

// The scale of the colors, left out where nothing has one, and what an outline means.
const explain = (key, { low, high, colors, ran }) => {
  const part = (name) => key.querySelector(`.${name}`)
  part("low").textContent = low
  part("high").textContent = high
  part("ramp").style.backgroundImage = `linear-gradient(to right, ${colors.join(", ")})`
  part("scale").hidden = low === ""
  part("outlined").textContent = ran
}

const show = ({ parentElement, data, setTriggerValue }) => {
  const grid = parentElement.querySelector("[role=grid]")
  grid.setAttribute("aria-label", data.label)
  // The cells stay, so that focus and scroll position do.
  const size = `${data.rows.length} ${data.rows[0].fills.length}`
  if (grid.dataset.size !== size) {
    grid.replaceChildren(...build(data.rows))
    grid.dataset.size = size
    parentElement.querySelector(".ids").replaceChildren(...ids(data.rows[0].fills.length))
    const line = data.rows.findIndex((row) => row.layer === data.layer)
    grid.children[Math.max(line, 0)].children[1].tabIndex = 0
  }
  paint(grid, data)
  explain(parentElement.querySelector(".key"), data.key)
  const focus = (cell) => {
    for (const other of grid.querySelectorAll("[tabindex='0']")) other.tabIndex = -1
    cell.tabIndex = 0
    cell.focus()
  }
  const pick = (cell) => {
    const line = [...grid.children].indexOf(cell.parentElement)
    setTriggerValue("pick", [data.rows[line].layer, Number(cell.dataset.expert)])
  }
  grid.onclick = (event) => {
    const cell = event.target.closest("[role=gridcell]")
    if (!cell) return
    focus(cell)
    pick(cell)
  }
  grid.onkeydown = (event) => {
    const cell = event.target.closest("[role=gridcell]")
    if (!cell) return
    if (event.key === "Enter" || event.key === " ") pick(cell)
    else if (event.key in STEPS) {
      const [down, right] = STEPS[event.key]
      const line = [...grid.children].indexOf(cell.parentElement) + down
      const next = grid.children[line]?.children[Number(cell.dataset.expert) + 1 + right]
      if (next?.getAttribute("role") === "gridcell") focus(next)
    } else return
    event.preventDefault()
  }
}

export default (call) => mount(call, show)
