// The target stands outside this component, in the page itself, under Streamlit's key class. It may
// come late and be replaced by a rerun, so the document is watched as long as the stop is shown.
const MARK = "data-tour-target"
const places = new WeakMap()

const part = (name) => document.querySelector(`[data-testid=${name}]`)
const height = (name) => part(name)?.offsetHeight ?? 0
// What the tour takes below the page; beside it, as for a presenter, it takes nothing.
const below = () => {
  const box = part("stBottom")?.getBoundingClientRect()
  return box && box.left <= window.innerWidth / 2 ? box.height : 0
}
// Below the page the tour takes no more than what is pointed at leaves free, and two lines of buttons
// at least; tour.css and present.css make use of it.
const LEAST = 112
const makeRoom = (element) => {
  const free = window.innerHeight - height("stHeader") - element.offsetHeight - 36
  const room = `${Math.max(free, LEAST)}px`
  document.documentElement.style.setProperty("--tour-room", room)
}
const clear = () =>
  document.querySelectorAll(`[${MARK}]`).forEach((old) => old.removeAttribute(MARK))
const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches

// Columns that a phone puts below each other may be too high together: then the first one is meant.
const meant = (whole) => {
  const column = whole?.querySelector("[data-testid=stColumn]")
  const fits = !column || whole.offsetHeight <= window.innerHeight - height("stHeader") - below()
  return fits ? whole : column
}

// In the middle of what header and tour leave free; what is too high for that begins at its top.
const scroll = (element) => {
  makeRoom(element)
  const [above, under] = [height("stHeader") + 12, below() + 12]
  element.style.scrollMargin = `${above}px 0 ${under}px`
  const fits = element.offsetHeight <= window.innerHeight - above - under
  const behavior = still() ? "auto" : "smooth"
  element.scrollIntoView({ block: fits ? "center" : "start", inline: "nearest", behavior })
}

// Again whenever the page grows, until the visitor begins to move or leaves the stop; the target is
// looked up each time, since a rerun may have put another element in its place.
const show = (place, find) => {
  const growth = new ResizeObserver(() => find() && scroll(find()))
  const leave = (place.leave = new AbortController())
  const options = { signal: leave.signal, passive: true }
  for (const name of ["wheel", "touchstart", "keydown", "pointerdown"])
    window.addEventListener(name, () => leave.abort(), options)
  leave.signal.addEventListener("abort", () => growth.disconnect())
  growth.observe(part("stMainBlockContainer") ?? document.body)
}

const pointAt = ({ parentElement, data }) => {
  const selector = `.st-key-${CSS.escape(data.target)}`
  const place = places.get(parentElement) ?? { shown: "", watch: null, leave: null, sizes: null }
  places.set(parentElement, place)
  const find = () => meant(document.querySelector(selector))
  const begin = () => {
    place.leave?.abort()
    show(place, find)
  }
  const shown = JSON.stringify(data)
  const point = () => {
    const element = find()
    if (!element) return
    if (!element.hasAttribute(MARK)) {
      clear()
      element.setAttribute(MARK, "")
    }
    if (place.shown === shown) return
    place.shown = shown
    begin()
  }
  // A presenter goes to full screen and to a projector. On a phone scrolling changes the size too.
  place.sizes?.abort()
  place.sizes = new AbortController()
  if (data.present) window.addEventListener("resize", begin, { signal: place.sizes.signal })
  place.watch?.disconnect()
  place.watch = new MutationObserver(point)
  place.watch.observe(document.body, { childList: true, subtree: true })
  point()
}

const leave = ({ parentElement }) => {
  const place = places.get(parentElement)
  place.watch.disconnect()
  place.sizes.abort()
  place.leave?.abort()
  clear()
}

export default (call) => mount(call, pointAt, leave)
