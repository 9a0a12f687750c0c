// Sentences come from Python's ui/texts. Their names in braces are replaced once: what a token
// contains stays as it is.
const filled = (words, values) =>
  words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)

// The words for one thing, or those for any other number of them.
const counted = ([one, many], count) => filled(count === 1 ? one : many, { count })
