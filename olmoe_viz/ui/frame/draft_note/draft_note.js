// What is typed in the form stays in the browser until it is sent, so the browser compares.
const DRAFT = ".st-key-ask_row textarea"
const watches = new WeakMap()

const show = ({ parentElement, data }) => {
  const note = parentElement.querySelector("span")
  const compare = () => {
    const draft = document.querySelector(DRAFT)
    const other = draft !== null && draft.value !== data.prompt
    note.textContent = other ? "Not run yet: the page shows the prompt before" : ""
  }
  watches.get(parentElement)?.abort()
  const watch = new AbortController()
  watches.set(parentElement, watch)
  document.addEventListener("input", compare, { signal: watch.signal })
  // Streamlit writes into the field a moment after it has drawn it.
  setTimeout(compare, 300)
}

const close = ({ parentElement }) => watches.get(parentElement).abort()

export default (call) => mount(call, show, close)
