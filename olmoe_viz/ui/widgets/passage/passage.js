const GAP = 6

const element = (name, className, text) => {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

// Text of a model has a direction of its own, whatever the language of the page.
const foreign = (made) => {
  made.dir = "auto"
  return made
}

// A line's end has nothing to see or to point at, so it gets a sign.
const spans = (tokens) =>
  tokens.map(({ text, mark, folded }) => {
    const lineEnd = text.includes("\n") && !text.trim()
    const classes = [mark, lineEnd && "line-end", folded && "folded"].filter(Boolean)
    return element("span", classes.join(" "), text)
  })

const write = (card, token) => {
  const lines = token.facts.map(([name, value]) => {
    const line = element("div", "fact", "")
    line.append(element("span", "what", name), foreign(element("bdi", "value", value)))
    return line
  })
  card.replaceChildren(foreign(element("div", "name", token.name)), ...lines)
}

// Below the token, or above it where the window ends; never beyond the sides of the text.
const place = (card, span, text) => {
  const zoom = text.currentCSSZoom ?? 1 // a presenter's page is enlarged
  const box = text.getBoundingClientRect()
  const line = [...span.getClientRects()].at(-1) ?? box
  const left = Math.min((line.left - box.left) / zoom, text.offsetWidth - card.offsetWidth)
  const below = line.bottom + (GAP + card.offsetHeight) * zoom <= window.innerHeight
  const top = below ? line.bottom / zoom + GAP : line.top / zoom - GAP - card.offsetHeight
  card.style.left = `${Math.max(left, 0)}px`
  card.style.top = `${top - box.top / zoom + text.offsetTop}px`
}

const begin = ({ parentElement, data }) => {
  const text = parentElement.querySelector("p")
  const card = parentElement.querySelector(".card")
  text.setAttribute("aria-label", data.label)
  text.replaceChildren(...spans(data.tokens))
  const filled = data.tokens.flatMap((token, index) => (token.text ? [index] : []))
  let at = Math.max(filled.findIndex((index) => data.tokens[index].mark === "first"), 0)

  const hide = () => {
    card.classList.remove("open")
    text.querySelector(".pointed")?.classList.remove("pointed")
  }
  const show = (next) => {
    hide()
    if (!filled.length) return
    at = Math.min(Math.max(next, 0), filled.length - 1)
    const span = text.children[filled[at]]
    span.classList.add("pointed")
    write(card, data.tokens[filled[at]])
    card.classList.add("open")
    place(card, span, text)
  }
  text.onmouseover = (event) => {
    const next = filled.indexOf([...text.children].indexOf(event.target))
    if (next >= 0) show(next)
  }
  text.onmouseleave = hide
  text.onfocus = () => text.matches(":focus-visible") && show(at)
  text.onblur = hide
  text.onkeydown = (event) => {
    // The arrows go where they point, also in a text from right to left.
    const right = getComputedStyle(text).direction === "rtl" ? -1 : 1
    const next = {
      ArrowRight: at + right,
      ArrowLeft: at - right,
      Home: 0,
      End: filled.length,
    }[event.key]
    if (event.key === "Escape") hide()
    if (next === undefined) return
    event.preventDefault()
    show(next)
  }
  hide()
}

export default (call) => mount(call, begin)
