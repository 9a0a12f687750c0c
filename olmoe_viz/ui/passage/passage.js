export default function ({ parentElement, data }) {
  const paragraph = parentElement.querySelector("p")
  const spans = data.pieces.map((piece, index) => {
    const span = document.createElement("span")
    span.textContent = piece
    span.title = data.hints[index]
    if (data.shared !== null && index < data.shared) span.className = "shared"
    if (index === data.shared) {
      span.className = "first"
      span.title = `the first token that differs, ${data.hints[index]}`
    }
    return span
  })
  paragraph.replaceChildren(...spans)
}
