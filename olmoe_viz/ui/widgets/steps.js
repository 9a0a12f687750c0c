// The steps of Follow stand outside of the components that lead to them, in the page itself, under
// Streamlit's key classes.
const stepOf = (number) => document.querySelector(`.st-key-step_${number}`)

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches

const goTo = (number) => {
  const target = stepOf(number)
  const heading = target?.querySelector("h3")
  if (!heading) return false
  target.scrollIntoView({ behavior: still() ? "auto" : "smooth", block: "start" })
  heading.tabIndex = -1
  heading.focus({ preventScroll: true })
  return true
}
