// What stands on a page many times has its code in one place of the page (shared_code.py). There it
// is given, here each element takes it; whichever is first makes the place where they meet.
const parts = (globalThis[Symbol.for("olmoe-viz.parts")] ??= new Map())

const part = (name) => {
  if (!parts.has(name)) {
    const made = {}
    made.code = new Promise((give) => { made.give = give })
    parts.set(name, made)
  }
  return parts.get(name)
}
