const watches = new WeakMap()

// A key has moved the focus into a group from outside.
const entered = ({ target, relatedTarget }) => {
  const group = target.closest("[role=radiogroup]")
  if (!group || group.contains(relatedTarget) || !target.matches(":focus-visible")) return
  group.querySelector("[role=radio][aria-checked=true]")?.focus()
}

const show = ({ parentElement }) => {
  if (watches.has(parentElement)) return
  const watch = new AbortController()
  watches.set(parentElement, watch)
  document.addEventListener("focusin", entered, { signal: watch.signal })
}

const close = ({ parentElement }) => watches.get(parentElement).abort()

export default (call) => mount(call, show, close)
