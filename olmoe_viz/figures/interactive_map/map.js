// The map in the hand: layout, pointer, keys, card, and what is told to Python.

const hub = (window[Symbol.for("olmoe-viz.routing-map")] ??= { data: new Map(), maps: new Map() });
const NARROW = 560; // below this width the map turns: tokens down, layers across
const maps = new WeakMap();
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function show({ parentElement, data, setTriggerValue }) {
  let map = maps.get(parentElement);
  if (!map) maps.set(parentElement, (map = new RoutingMap(parentElement)));
  map.send = (pick) => setTriggerValue("pick", pick);
  map.configure(data);
}

class RoutingMap {
  constructor(parent) {
    this.root = parent.querySelector(".routing-map");
    for (const name of ["frame", "cells", "marks", "scroll", "space", "card", "waiting",
      "overview", "legend", "seen", "range", "steps", "asked", "spoken"]) this[name] = this.root.querySelector(`.${name}`);
    this.data = null;
    this.selected = null; // [token, layer, last token, last layer]
    this.picks = new Picks();
    this.draft = null; // the same, while a range is being drawn
    this.hover = null; // [token, layer]
    this.cursor = null; // the same, for the keyboard
    this.anchor = null; // where a drag or a stretch starts
    this.corners = null; // cells chosen so far, while the button asks for a range
    this.unseen = false; // whether Python has selected a cell that was not brought into view yet
    this.glow = null; // {from, until}
    this.rasters = 0;
    this.events = new AbortController();
    this.listen();
    this.size = new ResizeObserver(() => this.layout());
    this.size.observe(this.root);
  }

  // Whether the text is being written. A pick would end that, so none is sent.
  get live() {
    return Boolean(this.config.live) && this.data?.ended !== this.config.live;
  }

  close() {
    this.events.abort();
    this.size.disconnect();
    if (hub.maps.get(this.config.channel) === this.receive) hub.maps.delete(this.config.channel);
  }

  configure(config) {
    this.config = config;
    if (this.picks.news(config.selection)) {
      const { token, lastToken } = config.selection;
      // Python's layers count all blocks, rows here only the layers of experts.
      const [row, lastRow] = [config.selection.layer, config.selection.lastLayer]
        .map((layer) => config.layerIds.indexOf(layer));
      const before = String(this.selected?.slice(0, 2));
      this.selected = token == null || row < 0 ? null
        : [token, row, lastToken ?? token, lastRow < 0 ? row : lastRow];
      this.unseen ||= this.selected !== null && String(this.selected.slice(0, 2)) !== before;
    }
    this.receive = (data) => this.take(data);
    hub.maps.set(config.channel, this.receive);
    // The theme's variables arrive with the next frame, and by then perhaps newer data.
    requestAnimationFrame(() => {
      const data = hub.data.get(config.channel);
      const paper = this.look?.paper;
      this.look = readLook(this.root);
      if (data && data.version !== this.data?.version) this.take(data);
      else if (paper && paper !== this.look.paper) this.raster();
      this.layout();
    });
  }

  take(data) {
    if (data.version === this.data?.version) return;
    const before = this.data?.tokens.length ?? 0;
    const grown = this.live && data.tokens.length > before;
    const following = this.atEnd();
    this.look ??= readLook(this.root);
    this.data = unpack(data);
    this.raster();
    writeLegend(this.legend, this.data, this.look);
    if (this.hover && this.hover[0] >= data.tokens.length) this.hover = null;
    this.layout();
    if (grown) {
      this.glow = { from: before, until: performance.now() + 1200 };
      if (following && this.g.turned) this.scroll.scrollTop = this.scroll.scrollHeight;
      else if (following) this.scroll.scrollLeft = this.scroll.scrollWidth;
      this.mark();
    }
  }

  atEnd() {
    const { scrollLeft, scrollTop, clientWidth, clientHeight, scrollWidth, scrollHeight } =
      this.scroll;
    return this.g?.turned ? scrollTop + clientHeight > scrollHeight - 40
      : scrollLeft + clientWidth > scrollWidth - 40;
  }

  raster() {
    if (!this.data) return;
    const start = performance.now();
    this.turned = this.root.clientWidth < NARROW;
    this.image = rasterize(this.data, this.turned, this.look);
    this.root.dataset.rasters = ++this.rasters;
    this.root.dataset.rasterMs = (performance.now() - start).toFixed(2);
  }

  // Sizes in CSS pixels. Where text grows or has grown, cells keep their size, and with layers down
  // the map its height: nothing jumps. With tokens down it takes its own height in the end.
  layout() {
    const width = this.root.clientWidth;
    if (!width || !this.config || !this.look) return;
    const turned = width < NARROW;
    if (this.data && turned !== this.turned) this.raster();
    const tokens = this.data?.tokens.length ?? 0;
    const layers = this.data?.layers ?? this.config.layerIds.length;
    const g = { turned, left: turned ? 88 : 40, top: 24, spill: turned ? 0 : 34 };
    const room = width - g.left - g.spill;
    g.w = turned ? Math.max(24, Math.floor(room / layers))
      : this.config.grown ? 28 : clamp(Math.floor(room / Math.max(tokens, 1)), 24, 92);
    g.h = turned ? 28 : clamp(Math.floor(352 / layers), 22, 40);
    [g.across, g.down] = turned ? [layers, tokens] : [tokens, layers];
    g.slanted = !turned && g.w < 56;
    if (g.slanted) g.top = 76;
    const wide = g.across * g.w;
    const high = !turned ? layers * g.h
      : this.live ? 420 : clamp(tokens * g.h + 14, 168, 420);
    Object.assign(this.space.style, { width: `${wide}px`, height: `${g.down * g.h}px` });
    Object.assign(this.scroll.style, { left: `${g.left}px`, top: `${g.top}px`,
      width: `${turned ? room : Math.min(room, Math.max(wide, 1))}px`,
      height: `${high + (turned || wide <= room ? 0 : 14)}px` });
    // What the scroll bars leave, where they take any room.
    g.viewWidth = Math.min(this.scroll.clientWidth, wide);
    g.viewHeight = Math.min(this.scroll.clientHeight, high, g.down * g.h);
    g.x = g.y = 0;
    this.g = g;
    g.height = g.top + high + (turned ? 0 : 14);
    this.frame.style.height = `${g.height}px`;
    Object.assign(this.root.dataset, { cellWidth: g.w, cellHeight: g.h, turned: String(turned) });
    this.waiting.hidden = this.data !== null;
    this.root.classList.toggle("live", this.live);
    this.root.classList.toggle("single", !this.config.ranges);
    this.scroll.setAttribute("aria-label", tokens
      ? filled(counted(WORDS.map, tokens), { layers }) : WORDS.empty);
    showSelected(this);
    this.paint();
  }

  paint() {
    const start = performance.now();
    const ratio = window.devicePixelRatio || 1;
    this.g.x = Math.round(this.scroll.scrollLeft * ratio) / ratio;
    this.g.y = Math.round(this.scroll.scrollTop * ratio) / ratio;
    const context = fitCanvas(this.cells, this.root.clientWidth, this.g.height);
    if (this.data) {
      paintLabels(context, this.data, this.g, this.look);
      paintCells(context, this.data, this.image, this.g, this.look);
      if (this.g.turned) paintMore(context, this.g, this.look);
    }
    this.root.dataset.paintMs = (performance.now() - start).toFixed(2);
    paintOverview(this);
    tellSeen(this);
    this.mark();
  }

  // What lies over the cells: crosshair, selection, keyboard cursor, newest column.
  mark() {
    if (!this.g) return;
    const start = performance.now();
    const g = this.g;
    const context = fitCanvas(this.marks, this.root.clientWidth, g.height);
    if (!this.data) return;
    const now = this.hover ?? this.cursor;
    clipTo(context, g.left - 3, g.top - 3, g.viewWidth + 6, g.viewHeight + 6, () => {
      if (this.glow) this.markNewest(context);
      if (this.hover) crosshair(context, g, ...this.hover, this.look);
      const chosen = this.draft ?? this.selected;
      if (chosen && chosen[0] < this.data.tokens.length) {
        outline(context, g, chosen, this.look, false);
      }
      if (this.cursor) outline(context, g, [...this.cursor, ...this.cursor], this.look, true);
    });
    this.markAxes(context, now, this.look.text);
    this.markAxes(context, (this.draft ?? this.selected)?.slice(0, 2), this.look.accent);
    this.showCard(now);
    enableSteps(this);
    this.root.dataset.overlayMs = (performance.now() - start).toFixed(2);
  }

  markAxes(context, cell, color) {
    const g = this.g;
    if (!cell || cell[0] >= this.data.tokens.length) return;
    const [x, y] = rectangle(g, [...cell, ...cell]);
    if (x > g.left - g.w / 2 && x < g.left + g.viewWidth - g.w / 2) {
      arrow(context, x + g.w / 2 - 0.5, g.top - 2, 0, 1, color);
    }
    if (y > g.top - g.h / 2 && y < g.top + g.viewHeight - g.h / 2) {
      arrow(context, g.left - 2, y + g.h / 2 - 0.5, 1, 0, color);
    }
  }

  markNewest(context) {
    const left = (this.glow.until - performance.now()) / 1200;
    const last = this.data.tokens.length - 1;
    const [x, y, width, height] =
      rectangle(this.g, [this.glow.from, 0, last, this.data.layers - 1]);
    context.strokeStyle = this.look.accent;
    context.lineWidth = 2;
    context.globalAlpha = still() ? 1 : Math.max(left, 0);
    context.strokeRect(x, y + 1, width, height - 2);
    if (!still()) {
      context.fillStyle = this.look.accent;
      context.globalAlpha = 0.35 * Math.max(left, 0);
      context.fillRect(x, y, width, height);
    }
    context.globalAlpha = 1;
    if (left <= 0) this.glow = null;
    else if (still()) setTimeout(() => this.mark(), left * 1200 + 20);
    else requestAnimationFrame(() => this.mark());
  }

  cellAt(event) {
    if (!this.data) return null;
    const box = this.scroll.getBoundingClientRect();
    const zoom = zoomOf(this.scroll);
    const column = Math.floor(((event.clientX - box.left) / zoom + this.g.x) / this.g.w);
    const row = Math.floor(((event.clientY - box.top) / zoom + this.g.y) / this.g.h);
    if (column < 0 || row < 0 || column >= this.g.across || row >= this.g.down) return null;
    return this.g.turned ? [row, column] : [column, row];
  }

  listen() {
    const on = (element, names, act, options = {}) => {
      for (const name of names.split(" ")) {
        element.addEventListener(name, act, { signal: this.events.signal, ...options });
      }
    };
    on(this.scroll, "scroll", () => this.paint(), { passive: true });
    on(this.scroll, "pointermove", (event) => event.pointerType !== "touch" && this.move(event));
    on(this.scroll, "pointerleave", (event) => event.pointerType !== "touch" && this.point(null));
    on(this.scroll, "pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return;
      this.anchor = event.shiftKey && this.selected ? this.selected.slice(0, 2)
        : this.cellAt(event);
      if (this.anchor) this.scroll.setPointerCapture(event.pointerId);
    });
    on(this.scroll, "pointercancel", (event) => event.pointerType !== "touch" && this.ask(null));
    on(this.scroll, "click", (event) => this.release(event));
    on(this.range, "click", () => this.ask(this.corners ? null : []));
    listenSteps(this, on);
    on(this.scroll, "keydown", (event) => this.key(event));
    on(this.scroll, "focus", () => {
      if (this.data && this.scroll.matches(":focus-visible")) {
        this.walk(this.selected?.slice(0, 2) ?? [0, 0]);
      }
    });
    on(this.scroll, "blur", () => {
      this.cursor = null;
      this.mark();
    });
    on(this.overview, "pointerdown pointermove", (event) => {
      if (!event.buttons) return;
      const box = this.overview.getBoundingClientRect();
      this.scroll.scrollLeft = ((event.clientX - box.left) / box.width)
        * this.g.across * this.g.w - this.g.viewWidth / 2;
    });
  }

  move(event) {
    const cell = this.cellAt(event);
    if (event.buttons === 1 && this.anchor && cell && this.config.ranges
        && !this.live && String(cell) !== String(this.anchor)) {
      this.draft = this.dragged = span(this.anchor, cell);
    }
    this.point(cell);
  }

  point(cell) {
    if (String(cell) === String(this.hover)) return;
    this.hover = cell;
    this.cursor = null;
    this.mark();
  }

  // A click, a tap, or the end of a drag.
  release(event) {
    const cell = this.cellAt(event);
    const from = this.config.ranges && event.shiftKey && this.anchor ? this.anchor : cell;
    const { dragged } = this;
    this.anchor = this.dragged = null;
    this.point(cell);
    if (dragged) this.pick(dragged);
    else if (cell) this.choose(cell, span(from, cell));
  }

  // A cell is picked, or becomes a corner of the range that the button asks for.
  choose(cell, cells) {
    if (!this.corners) return this.pick(cells);
    this.hover = null; // the card would lie over the cells to choose from
    if (this.corners.length) this.pick(span(this.corners[0], cell));
    else this.ask([cell]);
  }

  // Ask for the corners of a range, one tap each; null asks no more.
  ask(corners) {
    this.anchor = this.dragged = null;
    this.corners = corners;
    this.draft = corners?.length ? span(corners[0], corners[0]) : null;
    this.range.setAttribute("aria-pressed", String(corners !== null));
    this.root.classList.toggle("asking", corners !== null);
    this.asked.textContent = !corners ? ""
      : corners.length ? WORDS.last_corner : WORDS.first_corner;
    this.mark();
  }

  pick(cells) {
    if (this.live) return;
    this.selected = cells;
    this.ask(null);
    const [token, row, lastToken, lastRow] = cells;
    const one = token === lastToken && row === lastRow;
    const [layer, lastLayer] = [row, lastRow].map((at) => this.config.layerIds[at]);
    const [far, deep] = one ? [null, null] : [lastToken, lastLayer];
    const picked = { token, layer, lastToken: far, lastLayer: deep };
    this.picks.sent(picked);
    this.send(picked);
  }

  // Escape closes the card. It gives up the range that is being drawn, or else all of the
  // selected one but its first cell: one cell always stays, because the page is about it.
  drop() {
    const first = this.selected && span(this.selected, this.selected);
    const range = !this.draft && !this.corners && String(first) !== String(this.selected);
    this.hover = this.cursor = null;
    if (range) this.pick(first);
    else this.ask(null);
  }

  key(event) {
    if (!this.data || event.altKey || event.metaKey) return;
    const at = this.cursor ?? this.hover ?? this.selected?.slice(0, 2) ?? [0, 0];
    if (event.key === "Enter" || event.key === " ") {
      if (this.draft && !this.corners) this.pick(this.draft);
      else this.choose(at, span(at, at));
    } else if (event.key === "Escape") {
      this.drop();
    } else {
      const next = keyed(this, event, at);
      if (!next) return;
      this.stretch(event.shiftKey, at, next);
      this.hover = null;
      this.walk(next);
    }
    event.preventDefault();
  }

  stretch(held, at, next) {
    if (this.corners) return;
    this.anchor = held && this.config.ranges && !this.live ? this.anchor ?? at : null;
    this.draft = this.anchor && span(this.anchor, next);
  }

  walk(cell) {
    this.cursor = cell;
    reveal(this, cell);
    this.mark();
    this.speak(cell);
  }

  speak(cell) {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => {
      this.spoken.textContent = sentence(this.data, ...cell);
    }, 120);
  }

  showCard(cell) {
    this.card.hidden = !cell;
    if (!cell) return;
    const written = `${cell} ${this.data.version}`;
    if (written !== this.written) writeCard(this.card, this.data, ...cell, this.look);
    this.written = written;
    const cells = rangeAround(this, cell);
    placeCard(this.card, this.g, rectangle(this.g, cells ?? [...cell, ...cell]),
      this.root.clientWidth, cells !== null);
  }
}

const span = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]),
  Math.max(a[0], b[0]), Math.max(a[1], b[1])];
