const watchers = new WeakMap()

const here = (count) => {
  const line = window.innerHeight * 0.4
  let current = 1
  for (let number = 1; number <= count; number += 1) {
    const top = stepOf(number)?.getBoundingClientRect().top
    if (top !== undefined && top <= line) current = number
  }
  return current
}

const show = ({ parentElement, data }) => {
  parentElement.querySelector("nav").setAttribute("aria-label", data.label)
  const list = parentElement.querySelector("ol")
  const links = data.names.map((name, index) => {
    const item = document.createElement("li")
    const link = document.createElement("button")
    link.type = "button"
    const number = document.createElement("span")
    number.className = "number"
    number.textContent = index < 9 ? String(index + 1) : ""
    const words = document.createElement("span")
    words.textContent = name
    link.append(number, words)
    link.onclick = () => goTo(index + 1)
    item.append(link)
    return item
  })
  list.replaceChildren(...links)

  let waiting = 0
  const mark = () => {
    waiting = 0
    const current = here(data.names.length)
    links.forEach((item, index) => {
      if (index + 1 === current) item.firstChild.setAttribute("aria-current", "step")
      else item.firstChild.removeAttribute("aria-current")
    })
  }
  const scrolled = () => {
    waiting ||= requestAnimationFrame(mark)
  }
  watchers.get(parentElement)?.abort()
  const watcher = new AbortController()
  watchers.set(parentElement, watcher)
  const options = { capture: true, passive: true, signal: watcher.signal }
  document.addEventListener("scroll", scrolled, options)
  watcher.signal.addEventListener("abort", () => cancelAnimationFrame(waiting))
  mark()
}

const close = ({ parentElement }) => watchers.get(parentElement).abort()

export default (call) => mount(call, show, close)
