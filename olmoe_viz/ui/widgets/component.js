// A component's code is fetched anew for each of its calls, and Streamlit does not wait for one
// before it makes the next. So a call may come when the page has moved on: after a later one, or
// when its element is gone. What such a call returns is called at once, what the last call returns
// only in the end. Without this a late call would show old data, or close what is in use.
const calls = new WeakMap() // element of the page -> the call it shows

// What a component's default function returns: `show` draws a call, `close` ends the one shown.
// Their data are in a list (component.py says why).
const mount = ({ data: [data], ...others }, show, close) => {
  const call = { ...others, data }
  const { parentElement } = call
  if (!parentElement.isConnected) return undefined
  const before = calls.get(parentElement)
  calls.set(parentElement, call)
  show(call)
  return () => {
    if (!parentElement.isConnected) {
      close?.(calls.get(parentElement))
    } else if (before && calls.get(parentElement) === call) {
      calls.set(parentElement, before)
      show(before)
    }
  }
}
