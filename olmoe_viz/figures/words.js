// Sentences come from Python's ui/texts. Their names in braces are replaced once: what a token
// contains stays as it is.
const filled = (words, values) =>
  words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)

// The words for one thing, or those for any other number of them.
const counted = ([one, many], count) => filled(count === 1 ? one : many, { count })

// How many pixels of the screen's layout one of an element has: a presenter's page is enlarged.
const zoomOf = (element) => element.currentCSSZoom ?? 1
