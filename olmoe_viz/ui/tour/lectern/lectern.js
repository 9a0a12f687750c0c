// Full screen can only be asked for by a press in the browser itself, and clickers send Page keys,
// so both stand here. The stops are turned by the tour's own buttons.
const FORTH = ["PageDown", "ArrowRight"]
const BACK = ["PageUp", "ArrowLeft"]
// Where a key has a meaning of its own: text keeps all, what is stepped by arrows keeps those.
const TYPED = "input:not([type=radio], [type=range], [type=checkbox]), textarea, select, [contenteditable=true]"
const STEPPED = `input, [role=application], [role=slider], [role=radio], [role=radiogroup],
  [role=tab], [role=listbox], [role=menu], [role=combobox]`
const lecterns = new WeakMap()

// Components keep their parts in shadow roots.
const focused = (root = document) => {
  const element = root.activeElement
  return element?.shadowRoot?.activeElement ? focused(element.shadowRoot) : element
}
const meant = (key) => {
  const element = focused()
  if (element?.closest(TYPED)) return false
  return key.startsWith("Page") || !element?.closest(STEPPED)
}

const two = (number) => String(number).padStart(2, "0")
const running = (seconds) => {
  const minutes = Math.floor(seconds / 60)
  return `${two(minutes)}:${two(Math.floor(seconds) % 60)}`
}
const tell = (place) => {
  const now = new Date()
  const time = `${two(now.getHours())}:${two(now.getMinutes())}`
  const elapsed = running((Date.now() - place.began) / 1000)
  place.clock.textContent = [elapsed, time].join(" · ")
  place.clock.title = WORDS.clock
  place.button.textContent = document.fullscreenElement ? WORDS.window : WORDS.full
}

const begin = (parentElement) => {
  const end = new AbortController()
  const place = {
    end,
    clock: parentElement.querySelector(".clock"),
    button: parentElement.querySelector("button"),
  }
  parentElement.querySelector(".keys").textContent = WORDS.keys
  const listen = (target, name, heard) =>
    target.addEventListener(name, heard, { signal: end.signal, capture: true })
  listen(place.button, "click", () =>
    document.fullscreenElement
      ? document.exitFullscreen()
      : document.documentElement.requestFullscreen?.()
  )
  listen(document, "fullscreenchange", () => tell(place))
  listen(document, "keydown", (event) => {
    const side = FORTH.includes(event.key) ? "forth" : BACK.includes(event.key) && "back"
    const held = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey
    if (!side || held || !meant(event.key)) return
    event.preventDefault()
    event.stopPropagation()
    const button = document.querySelector(`.st-key-${CSS.escape(place[side])} button`)
    if (!event.repeat) button?.click()
  })
  const ticking = setInterval(() => tell(place), 1000)
  end.signal.addEventListener("abort", () => clearInterval(ticking))
  return place
}

const show = ({ parentElement, data }) => {
  const place = lecterns.get(parentElement) ?? begin(parentElement)
  lecterns.set(parentElement, place)
  place.began = Date.now() - 1000 * data.seconds
  Object.assign(place, { back: data.back, forth: data.forth })
  tell(place)
}
const close = ({ parentElement }) => {
  lecterns.get(parentElement)?.end.abort()
  lecterns.delete(parentElement)
}

export default (call) => mount(call, show, close)
