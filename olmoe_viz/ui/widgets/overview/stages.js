// Where the token can be: in the text, in the table, three times in each layer, at the end. Every
// stage says its part, its place, the norm of the vector there, and its sentence.
const PARTS = ["attention", "router", "experts"]

const three = (value) => value >= 1000 ? value.toFixed(0) : value.toPrecision(3)
const share = (value) => value < 0.005 ? "<0.01" : value.toFixed(2)

const placeOf = ({ layerIds }, row) => {
  const ends = { first: layerIds[0], last: layerIds.at(-1) }
  if (row < 0) return filled(WORDS.before, ends)
  return row === layerIds.length ? filled(WORDS.after, ends)
    : filled(WORDS.layer, { ...ends, layer: layerIds[row] })
}

const sentence = (data, part, row) => {
  const layer = data.layerIds[row]
  const place = placeOf(data, row)
  const capital = place[0].toUpperCase() + place.slice(1)
  const known = { ...data.token, place: capital, layer, experts: data.experts, k: data.ids[row].length }
  if (part === "router") {
    return filled(WORDS.router, { ...known, expert: data.ids[row][0],
      probability: share(data.probabilities[row][0]) })
  }
  const adds = part === "attention" ? data.attention : data.added
  return filled(WORDS[adds ? part : `${part}_alone`], { ...known,
    before: three(data.norms[layer]), after: three(data.norms[layer + 1]),
    between: adds && three(data.between[layer]), added: adds && three(adds[layer]), mass: share(data.mass[row]) })
}

const predicted = (data) => {
  const [next, probability] = data.next[0]
  return probability === null ? filled(WORDS.prediction_in_text, { next })
    : filled(WORDS.prediction, { next, probability: share(probability) })
}

const stagesOf = (data) => {
  const start = data.norms[0]
  const end = data.norms.at(-1)
  const blocks = data.layerIds.flatMap((layer, row) => PARTS.map((part) => ({
    part, row,
    norm: part === "attention" ? data.norms[layer] : part === "router" ? data.between?.[layer]
      : data.norms[layer + 1],
    said: sentence(data, part, row),
  })))
  const stages = [
    { part: "text", row: -1, norm: null, said: filled(WORDS.text, data.token) },
    { part: "embedding", row: -1, norm: start, said: filled(WORDS.embedding, { norm: three(start) }) },
    ...blocks,
    { part: "final", row: data.layerIds.length, norm: end, said: filled(WORDS.final, { norm: three(end) }) },
    { part: "prediction", row: data.layerIds.length, norm: null, said: predicted(data) },
  ]
  return stages.map((stage) => ({ ...stage, place: placeOf(data, stage.row) }))
}

// Milliseconds at a stage: slow in the first layer and the last, quick in those between.
const duration = ({ part, row }, layers) => {
  if (!PARTS.includes(part)) return 1200
  return row === 0 || row === layers - 1 ? 1500 : row < 3 ? 700 : 330
}
