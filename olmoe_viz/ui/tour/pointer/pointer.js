// The target stands outside this component, in the page itself, under Streamlit's key class. It may
// come late and be replaced by a rerun, so the document is watched as long as the stop is shown.
const MARK = "data-tour-target"
const SETTLING = 1500 // ms in which figures above the target may still grow
const seen = new WeakMap()

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches

const show = (element) => {
  let free = true
  const release = () => (free = false)
  const events = ["wheel", "touchstart", "keydown", "pointerdown"]
  events.forEach((name) => window.addEventListener(name, release, { once: true, passive: true }))
  const scroll = () =>
    free && element.scrollIntoView({ block: "center", behavior: still() ? "auto" : "smooth" })
  scroll()
  setTimeout(() => {
    scroll()
    events.forEach((name) => window.removeEventListener(name, release))
  }, SETTLING)
}

export default function ({ parentElement, data }) {
  const selector = `.st-key-${CSS.escape(data.target)}`
  let marked = null
  const point = () => {
    const element = document.querySelector(selector)
    if (!element || (element === marked && element.hasAttribute(MARK))) return
    document.querySelectorAll(`[${MARK}]`).forEach((other) => other.removeAttribute(MARK))
    element.setAttribute(MARK, "")
    marked = element
    if (seen.get(parentElement) === data.stop) return
    seen.set(parentElement, data.stop)
    show(element)
  }
  const watch = new MutationObserver(point)
  watch.observe(document.body, { childList: true, subtree: true })
  point()
  return () => {
    watch.disconnect()
    marked?.removeAttribute(MARK)
  }
}
