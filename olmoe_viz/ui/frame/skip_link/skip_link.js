// Streamlit's header stands before every element of a page, so the link goes to the document itself.
const links = new WeakMap()

const map = () => [...document.querySelectorAll(".st-key-map *, .st-key-map")]
  .map((element) => element.shadowRoot?.querySelector(".routing-map .scroll"))
  .find(Boolean)

const make = () => {
  const link = document.createElement("a")
  link.className = "olmoe-skip"
  link.href = "#stMain" // something that is there, as in Streamlit's own link; the click goes to the map
  link.addEventListener("click", (event) => {
    event.preventDefault()
    map()?.focus({ focusVisible: true })
    map()?.scrollIntoView({ block: "nearest" })
  })
  document.body.prepend(link)
  return link
}

const show = ({ parentElement, data }) => {
  if (!links.has(parentElement)) links.set(parentElement, make())
  links.get(parentElement).textContent = data.words
}

const close = ({ parentElement }) => links.get(parentElement).remove()

export default (call) => mount(call, show, close)
