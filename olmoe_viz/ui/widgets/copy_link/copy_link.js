const copy = async (text) => {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  // Pages served without TLS have no clipboard object; a selected text field still copies.
  const field = document.createElement("textarea")
  field.value = text
  document.body.append(field)
  field.select()
  document.execCommand("copy")
  field.remove()
}

const show = ({ parentElement, data }) => {
  const button = parentElement.querySelector("button")
  const status = parentElement.querySelector("[role=status]")
  button.onclick = async () => {
    try {
      await copy(window.location.href)
      status.textContent = data.complete ? WORDS.copied : WORDS.copied_without
    } catch {
      status.textContent = WORDS.not_allowed
    }
    setTimeout(() => (status.textContent = ""), 4000)
  }
}

export default (call) => mount(call, show)
