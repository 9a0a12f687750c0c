// The menu at a figure's corner: the figure as a file, its numbers as a file or as a table.
// All of it is made in the browser from what is drawn already.

const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g // in XML

// The figure on the screen as a document of its own: inks become colors, the canvas an image.
const svgOf = ({ svg, canvas }, { figure, width }) => {
  const style = getComputedStyle(svg)
  const height = heightOf(figure, width)
  const color = (value) =>
    value.replace(/^var\((.+)\)$/, (_, name) => style.getPropertyValue(name).trim())
  const copy = svg.cloneNode(true)
  for (const part of copy.querySelectorAll("[fill^='var'], [stroke^='var']")) {
    for (const name of ["fill", "stroke"]) {
      if (part.hasAttribute(name)) part.setAttribute(name, color(part.getAttribute(name)))
    }
  }
  const attributes = {
    xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`,
    "font-family": style.getPropertyValue("--st-font").trim(), "xml:space": "preserve",
  }
  for (const name in attributes) copy.setAttribute(name, attributes[name])
  copy.removeAttribute("aria-hidden")
  const whole = { width, height }
  const behind = [shape("rect", { ...whole, fill: color(INKS.paper) })]
  if (!canvas.hidden) {
    const href = canvas.toDataURL()
    behind.push(shape("image", { ...whole, href, style: "image-rendering: pixelated" }))
  }
  copy.prepend(...behind)
  return new XMLSerializer().serializeToString(copy).replace(FORBIDDEN, "\ufffd")
}

const SHARP = 2 // pixels of the picture for each of the page

const pngOf = async (parts, state) => {
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgOf(parts, state))}`
  await image.decode()
  const height = heightOf(state.figure, state.width)
  const canvas = new OffscreenCanvas(state.width * SHARP, height * SHARP)
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
  return canvas.convertToBlob()
}

// The browser may read a file late: it is kept until the next one, or until the figure is gone.
const save = (state, blob, name) => {
  forget(state)
  const link = document.createElement("a")
  link.href = state.file = URL.createObjectURL(blob)
  link.download = name
  link.click()
}

const forget = (state) => {
  if (state.file) URL.revokeObjectURL(state.file)
  state.file = ""
}

const FILES = {
  svg: (parts, state) => new Blob([svgOf(parts, state)], { type: "image/svg+xml" }),
  png: pngOf,
  csv: (_, { figure }) => new Blob([csvOf(figure)], { type: "text/csv" }),
}

// The table follows the figure while it is shown.
const drawNumbers = ({ numbers }, state) => {
  if (!numbers.hidden) drawTable(numbers, state.figure)
}

const offer = (parts, state) => {
  const { menu, numbers } = parts
  const sign = menu.querySelector("summary")
  const shut = () => { menu.open = false }
  const outside = (event) => { if (!event.composedPath().includes(menu)) shut() }
  // Always, because a menu says that it is open some time after it is.
  document.addEventListener("pointerdown", outside)
  menu.onkeydown = ({ key }) => {
    if (key !== "Escape" || !menu.open) return
    shut()
    sign.focus()
  }
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !menu.contains(relatedTarget)) shut()
  })
  for (const button of menu.querySelectorAll("button")) {
    button.onclick = async () => {
      shut()
      sign.focus()
      const make = FILES[button.dataset.do]
      if (make) {
        save(state, await make(parts, state), `olmoe-viz-${state.name}.${button.dataset.do}`)
        return
      }
      numbers.hidden = !numbers.hidden
      button.textContent = numbers.hidden ? WORDS.show : WORDS.hide
      drawNumbers(parts, state)
    }
  }
  state.quit = () => {
    document.removeEventListener("pointerdown", outside)
    forget(state)
  }
}
