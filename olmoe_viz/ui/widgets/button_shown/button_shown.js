// The button stands outside this component, in the page itself, under Streamlit's key class. Its
// code may arrive late, and until then React keeps its place or hides it: the page is watched.
const watches = new WeakMap()
const CHANGES = { childList: true, subtree: true, attributes: true }

const shown = (key) => {
  const button = document.querySelector(`.st-key-${CSS.escape(key)} button`)
  return button !== null && !button.disabled && button.checkVisibility()
}

const show = ({ parentElement, data, setTriggerValue }) => {
  watches.get(parentElement)?.disconnect()
  const watch = new MutationObserver(() => look())
  watches.set(parentElement, watch)
  const look = () => {
    if (!shown(data.button)) return
    watch.disconnect()
    setTriggerValue("shown", true)
  }
  watch.observe(document.body, { ...CHANGES, attributeFilter: ["class", "disabled", "style"] })
  look()
}

const close = ({ parentElement }) => watches.get(parentElement).disconnect()

export default (call) => mount(call, show, close)
