// The numbers of a figure as rows, as the text of a CSV file, and as a table on the page.

const cellRows = (mark) => mark.values.flatMap((row, r) => row.flatMap((value, c) => {
  if (value === null) return NOTHING
  const [rowName, columnName, valueName] = mark.numbers
  const found = {
    [rowName]: mark.rows[r] ?? mark.first[0] + r,
    [columnName]: mark.columns[c] ?? mark.first[1] + c,
  }
  if (mark.texts.length) found.text = mark.texts[r][c]
  found[valueName] = value
  for (const name in mark.more) found[name] = mark.more[name][r][c]
  return [found]
}))

const numberRows = (numbers) => {
  const names = Object.keys(numbers)
  if (!names.length) return NOTHING
  return numbers[names[0]].map((_, index) =>
    Object.fromEntries(names.map((name) => [name, numbers[name][index]])))
}

// The same rows and columns as Python's Figure.to_frame().
const tableOf = (figure) => {
  const rows = [
    ...figure.marks.flatMap((mark) =>
      mark.kind === "Cells" ? cellRows(mark) : numberRows(mark.numbers)),
    ...numberRows(figure.numbers),
  ]
  return { columns: [...new Set(rows.flatMap(Object.keys))], rows }
}

// A program for tables would compute a text that begins like a formula; an apostrophe prevents it.
const field = (value) => {
  if (value === null || value === undefined) return ""
  if (typeof value !== "string") return String(value)
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const csvOf = (figure) => {
  const { columns, rows } = tableOf(figure)
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))]
  return lines.map((line) => `${line.map(field).join(",")}\r\n`).join("")
}

const MOST_ROWS = 500 // more would slow the page; the file has them all

const element = (name, words, attributes = {}) => {
  const made = document.createElement(name)
  made.textContent = words
  for (const key in attributes) made.setAttribute(key, attributes[key])
  return made
}

const headCell = (name, rows) => {
  const digits = rows.every((row) => typeof row[name] !== "string")
  return element("th", name, { scope: "col", ...(digits && { class: "digits" }) })
}

const bodyCell = (value) => typeof value === "number"
  ? element("td", said(value, 6), { class: "digits" })
  : element("td", value ?? "")

const drawTable = (place, figure) => {
  const { columns, rows } = tableOf(figure)
  const table = element("table", "")
  const top = table.createTHead().insertRow()
  top.append(...columns.map((name) => headCell(name, rows)))
  const body = table.createTBody()
  for (const row of rows.slice(0, MOST_ROWS)) {
    body.insertRow().append(...columns.map((name) => bodyCell(row[name])))
  }
  const cut = rows.length > MOST_ROWS
    ? [element("p", filled(WORDS.cut, { shown: MOST_ROWS, rows: rows.length }))]
    : NOTHING
  place.replaceChildren(...cut, table)
}
