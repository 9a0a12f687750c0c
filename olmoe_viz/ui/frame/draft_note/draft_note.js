// What is typed in the form stays in the browser until it is sent, so the browser compares.
const DRAFT = ".st-key-ask_row textarea"
const watches = new WeakMap()
const prompts = new WeakMap() // what the page was about at the last call

const show = ({ parentElement, data }) => {
  const note = parentElement.querySelector("span")
  const compare = () => {
    const draft = document.querySelector(DRAFT)
    const other = draft !== null && draft.value !== data.prompt
    note.textContent = other ? data.words : ""
  }
  watches.get(parentElement)?.abort()
  const watch = new AbortController()
  watches.set(parentElement, watch)
  document.addEventListener("input", compare, { signal: watch.signal })
  // A prompt that was run, or chosen, is the one in the field, or will be as soon as Streamlit has
  // written it there. Until somebody types nothing can differ from it.
  if (prompts.get(parentElement) !== data.prompt) note.textContent = ""
  prompts.set(parentElement, data.prompt)
}

const close = ({ parentElement }) => watches.get(parentElement).abort()

export default (call) => mount(call, show, close)
