// What stands inside the axes. A mark draws itself and says what lies under a point.

const parse = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))

// 256 colors from one end of a scale to the other, as [red, green, blue].
const shades = (colors) => {
  const stops = colors.map(parse)
  return Array.from({ length: 256 }, (_, step) => {
    const place = (step / 255) * (stops.length - 1)
    const at = Math.min(Math.floor(place), stops.length - 2)
    return stops[at].map((low, channel) => low + (stops[at + 1][channel] - low) * (place - at))
  })
}

const shadeOf = (value, [low, high], ramp) =>
  ramp[Math.round(Math.min(Math.max((value - low) / (high - low), 0), 1) * 255)]

const readable = ([red, green, blue]) => {
  const light = [red, green, blue].map((channel) => {
    const share = channel / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2] > 0.179 ? "#000000" : "#ffffff"
}

const overlap = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom
  && other.top < one.bottom

// Names at the bars' ends, those of the highest bars first; none touches a bar or another name.
const nameBars = (mark, boxes) => {
  const size = mark.names.filter(Boolean).length > LOOK.many ? LOOK.tiny : SMALL
  const order = boxes.filter(({ index }) => mark.names[index])
  order.sort((one, other) => mark.high[other.index] - mark.high[one.index])
  const placed = []
  for (const { index, left, right, top, bottom } of order) {
    const reach = (mark.names[index].length * DIGIT * size) / 2
    const middle = (left + right) / 2
    const up = mark.high[index] >= mark.low
    const y = up ? top - 8 : bottom + 8
    const box = {
      index, middle, y, left: middle - reach, right: middle + reach, top: y - 5, bottom: y + 5,
    }
    const wide = { ...box, left: box.left - LOOK.name_gap, right: box.right + LOOK.name_gap }
    const free = !placed.some((other) => overlap(wide, other))
      && !boxes.some((bar) => bar.index !== index && overlap(box, bar))
    if (free) placed.push(box)
  }
  return placed.map(({ index, middle, y }) =>
    write(mark.names[index], middle, y, { size, number: true }))
}

const bars = (mark, g) => {
  const half = ((g.xs[0](1) - g.xs[0](0)) * mark.width) / 2
  const base = g.y(mark.low)
  const boxes = mark.high.flatMap((high, index) => {
    if (high === null) return NOTHING
    const middle = g.xs[0](mark.at[index])
    const end = g.y(high)
    return [{
      index, left: middle - half, right: middle + half, top: Math.min(base, end),
      bottom: Math.max(base, end),
    }]
  })
  const drawn = boxes.map(({ index, left, right, top, bottom }) => shape("rect", {
    x: left, y: top, width: right - left, height: bottom - top, fill: ink(mark.fills[index]),
    stroke: ink(mark.outlines[index]), "stroke-width": LOOK.outline,
  }))
  const pick = ({ x, y }) => {
    if (y < g.top || y > g.bottom) return null
    const found = boxes.find(({ left, right }) => x >= left - 1 && x <= right + 1)
    if (!found) return null
    const { index, left, right, top } = found
    return { words: mark.hover[index], x: (left + right) / 2, y: top }
  }
  return { drawn: [...drawn, ...nameBars(mark, boxes)], pick }
}

// Few cells one by one, so that the gaps are sharp; many as one picture a row.
const paintCells = (mark, g, context, edges, ramp) => {
  const columns = mark.values[0].length
  if (mark.gaps[0]) {
    mark.values.forEach((row, r) => row.forEach((value, c) => {
      if (value === null) return
      context.fillStyle = `rgb(${shadeOf(value, mark.span, ramp).map(Math.round).join(" ")})`
      const { left, right, top, bottom } = edges(r, c)
      context.fillRect(left, top, right - left, bottom - top)
    }))
    return
  }
  const small = new OffscreenCanvas(columns, mark.values.length)
  const pixels = new ImageData(columns, mark.values.length)
  mark.values.flat().forEach((value, at) => {
    if (value !== null) pixels.data.set([...shadeOf(value, mark.span, ramp), 255], at * 4)
  })
  small.getContext("2d").putImageData(pixels, 0, 0)
  context.imageSmoothingEnabled = false
  mark.values.forEach((_, r) => {
    const { left, top, bottom } = edges(r, 0)
    const { right } = edges(r, columns - 1)
    context.drawImage(small, 0, r, columns, 1, left, top, right - left, bottom - top)
  })
}

const said = (value, digits) => String(Number(value.toPrecision(digits))).replaceAll("-", "−")

// The names in braces are replaced once: what a token's name contains stays as it is.
const cellWords = (mark, r, c, value) => {
  const known = {
    row: mark.rows[r] ?? mark.first[0] + r,
    column: mark.columns[c] ?? mark.first[1] + c,
    value: mark.percent ? `${said(100 * value, 3)}%` : said(value, 4),
    text: mark.texts[r]?.[c],
  }
  for (const name in mark.more) known[name] = said(mark.more[name][r][c], 4)
  return mark.hover.replace(/\{([^{}]+)\}/g, (whole, name) => known[name] ?? whole)
}

const cells = (mark, g, context) => {
  const [firstRow, firstColumn] = mark.first
  // On a phone a gap would be as wide as the cell.
  const gap = g.xs[0](1) - g.xs[0](0) < 5 ? 0 : mark.gaps[0]
  const snap = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio
  const edges = (r, c) => {
    const ends = [g.y(firstRow + r - 0.5), g.y(firstRow + r + 0.5)]
    return {
      left: snap(g.xs[0](firstColumn + c - 0.5)),
      right: snap(g.xs[0](firstColumn + c + 0.5)) - gap,
      top: snap(Math.min(...ends)),
      bottom: snap(Math.max(...ends)) - mark.gaps[1],
    }
  }
  const ramp = shades(mark.scale)
  paintCells(mark, g, context, edges, ramp)
  const drawn = mark.texts.flatMap((row, r) => row.map((words, c) => {
    const { left, right, top, bottom } = edges(r, c)
    const color = readable(shadeOf(mark.values[r][c], mark.span, ramp))
    const look = { size: SMALL, number: true, color }
    return write(words, (left + right) / 2, (top + bottom) / 2, look)
  }))
  const pick = ({ x, y }) => {
    const down = g.y(1) > g.y(0) ? 1 : -1
    const r = Math.floor(((y - g.y(firstRow)) / Math.abs(g.y(1) - g.y(0))) * down + 0.5)
    const c = Math.floor((x - g.xs[0](firstColumn)) / (g.xs[0](1) - g.xs[0](0)) + 0.5)
    const value = mark.values[r]?.[c] ?? null
    if (value === null) return null
    const { left, right, top } = edges(r, c)
    return { words: cellWords(mark, r, c, value), x: (left + right) / 2, y: top }
  }
  return { drawn, pick }
}

const head = ([fromX, fromY], [x, y], color) => {
  const turn = (Math.atan2(y - fromY, x - fromX) * 180) / Math.PI
  return shape("path", {
    d: "M0 0L-9 -3.5V3.5Z", fill: ink(color), transform: `translate(${x} ${y}) rotate(${turn})`,
  })
}

// The points of a line that changes its height halfway, at once.
const stepped = (points) => [
  points[0],
  ...points.slice(1).flatMap(([x, y], index) => {
    const middle = (points[index][0] + x) / 2
    return [[middle, points[index][1]], [middle, y]]
  }),
  points.at(-1),
]

// Without an index it is that of the key, where one fill of all dots is theirs as well.
const dot = (mark, x, y, size, index) => {
  const alike = mark.fills.every((fill) => fill === mark.fills[0]) ? mark.fills[0] : undefined
  const fill = index === undefined ? alike : mark.fills[index]
  const look = {
    fill: ink(fill ?? mark.color), stroke: ink(mark.color),
    "stroke-width": fill === undefined ? 0 : LOOK.ring,
  }
  if (mark.shape === "circle") return shape("circle", { cx: x, cy: y, r: size / 2, ...look })
  if (mark.shape === "diamond") look.transform = `rotate(45 ${x} ${y})`
  const half = size / 2
  return shape("rect", { x: x - half, y: y - half, width: size, height: size, ...look })
}

const spreads = ({ spread: [lows, highs], color }, points, g) => points.map(([x], index) => {
  const ends = [lows[index], highs[index]].map(g.y)
  const caps = ends.map((y) => `M${x - LOOK.cap} ${y}h${2 * LOOK.cap}`).join("")
  return stroke(`M${x} ${ends[0]}V${ends[1]}${caps}`, color)
})

const pen = ({ width, dash }) => ({ "stroke-width": width, ...dashed(dash) })

const drawLine = (mark, points, g) => {
  const drawn = []
  const path = mark.steps ? stepped(points) : points
  const d = `M${path.join("L")}`
  if (mark.area) {
    drawn.push(shape("path", { d: `${d}V${g.y(0)}H${path[0][0]}Z`, fill: ink(mark.area) }))
  }
  if (mark.width) drawn.push(stroke(d, mark.color, pen(mark)))
  if (mark.spread) drawn.push(...spreads(mark, points, g))
  mark.dots.forEach((size, index) => {
    if (size) drawn.push(dot(mark, ...points[index], size, index))
  })
  if (mark.arrow) drawn.push(head(points.at(-2), points.at(-1), mark.color))
  return drawn
}

const NEAR = 20 // px

const line = (mark, g) => {
  const at = g.xs[mark.axis]
  const points = mark.x.map((value, index) => [at(value), g.y(mark.y[index])])
  const pick = ({ x, y }) => {
    const far = points.map(([left, top]) => Math.hypot(left - x, top - y))
    const index = far.indexOf(Math.min(...far))
    if (far[index] > NEAR) return null
    const [left, top] = points[index]
    return { words: mark.hover[index], x: left, y: top, far: far[index] }
  }
  return { drawn: drawLine(mark, points, g), pick }
}

// The lines' names below the figure, in rows.
const drawKey = (figure, g) =>
  keyPlaces(figure, g.width).flatMap(({ mark, x, row }) => {
    const y = g.height - KEY + 10 + row * LOOK.key_row
    return [
      stroke(`M${x} ${y}h24`, mark.color, pen(mark)),
      ...(mark.dots.length ? [dot(mark, x + 12, y, 8)] : NOTHING),
      write(mark.name, x + 30, y, { anchor: "start", color: "ink" }),
    ]
  })

const MARKS = { Bars: bars, Cells: cells, Line: line }
