// Gives elements that share code what Streamlit gives others: their HTML and their style. Where the
// server has begun anew with other code, what an element had is taken away.
const give = (name, html, css, begin) => {
  const content = document.createElement("template")
  content.innerHTML = html
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  part(name).give((call) => {
    const { parentElement } = call
    const before = parentElement.querySelector("[data-part]")
    if (before?.dataset.part !== name) {
      before?.remove()
      const whole = document.createElement("div")
      whole.dataset.part = name
      // Imported, for the direction of a mere clone's dir="auto" does not follow its text.
      whole.append(document.importNode(content.content, true))
      parentElement.adoptedStyleSheets = [sheet]
      parentElement.append(whole)
    }
    return begin(call)
  })
}
