"use strict";
// The drawing: what part of an axis is seen, and the pixels for it. Only rows and moments in sight
// are looked at, and what falls on one pixel is drawn once, so large runs cost no more than small.

const AXIS = 26, OVERVIEW_BINS = 2000, ARROWS_MAX = 400, GUTTER = 230;

class Chart {
  constructor(model, canvas, overview, scroller) {
    Object.assign(this, { model, canvas, overview, scroller });
    this.squeezed = model.isBetterSqueezed();
    this.showsArrows = this.showsPackets = true;
    this.packetsDrawn = [];
    this.packetsLeft = 0;
    this.selected = null;
    this.drawn = [];
    this.marks = [];
    this.from = 0;
    this.to = this.axis.length;
    this.readColors();
  }

  // A browser may have no canvas, or have it switched off.
  get canDraw() { return Boolean(this.canvas.getContext && this.canvas.getContext("2d")); }

  get axis() { return this.squeezed ? this.model.axes.order : this.model.axes.time; }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    this.colors = {};
    for (const name of ["paper", "band", "line", "ink", "faint", "accent", "mark", "life", "step", "arrow", "off", "paused", "cut", "fail", ...KINDS]) {
      this.colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  // Sizes -----------------------------------------------------------------------------------

  resize() {
    const width = this.scroller.clientWidth;
    this.narrow = width < 640;
    this.gutter = this.narrow ? 0 : GUTTER;
    const { rows } = this.model, lanesOnly = rows.length > 0 && rows.every((row) => row.title);
    // Lanes alone share the height, so that packets between them have a slope.
    this.lanesOnly = lanesOnly;
    this.rowHeight = lanesOnly ? Math.round(Math.min(96, Math.max(44, (innerHeight * 0.6 - AXIS) / rows.length))) : this.narrow ? 40 : 26;
    this.labelHeight = this.narrow ? 18 : 0;
    const full = AXIS + this.model.rows.length * this.rowHeight + 6;
    this.height = Math.max(AXIS + this.rowHeight, Math.min(full, Math.round(innerHeight * 0.62)));
    this.width = width;
    this.scroller.style.height = `${this.height + 2}px`;
    this.scroller.querySelector("#filler").style.height = `${Math.max(0, full - this.height)}px`;
    for (const [canvas, height] of [[this.canvas, this.height], [this.overview, 30]]) {
      const ratio = devicePixelRatio || 1, wide = canvas === this.canvas ? width : canvas.clientWidth;
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(height * ratio);
      if (canvas === this.canvas) canvas.style.height = `${height}px`;
      if (this.canDraw) canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.density = null;
  }

  get scale() { return (this.width - this.gutter) / (this.to - this.from); }
  x(place) { return this.gutter + (place - this.from) * this.scale; }
  place(x) { return this.from + (x - this.gutter) / this.scale; }
  y(index) { return AXIS + index * this.rowHeight - this.scroller.scrollTop; }
  rowAt(y) { return y < AXIS ? -1 : Math.floor((y - AXIS + this.scroller.scrollTop) / this.rowHeight); }

  // Moving ----------------------------------------------------------------------------------

  look(from, to) {
    const { length, least } = this.axis;
    const width = Math.min(Math.max(to - from, least), length * 1.02);
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - width / 2, -0.01 * length), 1.01 * length - width);
    this.to = this.from + width;
    this.draw();
  }

  all() { this.look(-0.01 * this.axis.length, 1.01 * this.axis.length); }
  zoom(factor, x = this.gutter + (this.width - this.gutter) / 2) {
    const fixed = this.place(x), { length, least } = this.axis;
    const width = Math.min(Math.max((this.to - this.from) * factor, least), length * 1.02);
    const from = fixed - (fixed - this.from) * (width / (this.to - this.from));
    this.look(from, from + width);
  }
  pan(pixels) { const by = pixels / this.scale; this.look(this.from + by, this.to + by); }

  squeeze(squeezed) {
    if (squeezed === this.squeezed) return;
    const step = this.stepNear((this.from + this.to) / 2), wasAll = this.to - this.from > 0.98 * this.axis.length;
    this.squeezed = squeezed;
    this.density = null;
    if (wasAll) { this.all(); return; }
    const middle = this.axis.begin[step], width = this.axis.length / 20;
    this.look(middle - width / 2, middle + width / 2);
  }

  stepNear(place) {
    const { begin } = this.axis, { count } = this.model;
    return Math.min(count - 1, Math.max(0, lowerBound(count, (i) => begin[i], place)));
  }

  // Brings the places of a selection into sight, wide enough to read.
  show(from, to, row, close) {
    const width = to - from, seen = this.to - this.from;
    if (close || width > seen || width < seen / 400) {
      const room = Math.max(width * 1.5, this.axis.least * 10, this.squeezed ? 60 : 0);
      this.look((from + to - room) / 2, (from + to + room) / 2);
    } else if (from < this.from || to > this.to) this.look((from + to - seen) / 2, (from + to + seen) / 2);
    if (row < 0) return;
    const top = row * this.rowHeight, view = this.height - AXIS;
    if (top < this.scroller.scrollTop || top + this.rowHeight > this.scroller.scrollTop + view) {
      this.scroller.scrollTop = top - view / 2;
    }
  }

  // Drawing ---------------------------------------------------------------------------------

  draw() {
    if (this.waiting || !this.canDraw) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    const { model, width, height, colors } = this, pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, width, height);
    pen.font = "12.5px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const first = Math.max(0, this.rowAt(AXIS)), last = Math.min(model.rows.length, this.rowAt(height) + 1);
    pen.save();
    pen.beginPath(); pen.rect(0, AXIS, width, height - AXIS); pen.clip();
    for (let index = first; index < last; index++) this.paintRow(pen, index);
    this.drawn = [];
    this.left = 0;
    if (this.showsArrows) this.paintArrows(pen, first, last);
    this.packetsDrawn = [];
    this.packetsLeft = 0;
    if (this.showsPackets) this.paintPackets(pen);
    this.paintSelection(pen);
    for (let index = first; index < last; index++) this.paintLabel(pen, index);
    pen.restore();
    this.paintAxis(pen);
    this.paintFaults(pen);
    this.paintMarks(pen);
    this.paintFailure(pen);
    this.paintOverview();
    if (this.onpaint) this.onpaint();
  }

  bar(index) {
    const y = this.y(index) + this.labelHeight;
    return { top: y + 4, height: this.rowHeight - this.labelHeight - 8 };
  }

  isBand(index) { return index % 2 === 1 || (Boolean(this.model.rows[index].title) && !this.lanesOnly); }

  paintRow(pen, index) {
    const { model, axis, colors, width } = this, row = model.rows[index];
    if (this.isBand(index)) {
      pen.fillStyle = colors.band;
      pen.fillRect(0, this.y(index), width, this.rowHeight);
    }
    if (row.title) { this.paintLane(pen, row, index); return; }
    const { top, height } = this.bar(index);
    pen.fillStyle = colors.life;
    if (!row.isCallbacks) for (const track of row.tracks) this.paintLife(pen, track, top, height);
    this.paintWaits(pen, row, top + 2, height - 4);
    this.paintSteps(pen, row, axis, top, height);
  }

  // Where a track begins and ends.
  life(track) {
    const steps = this.model.stepsOf[track], waits = this.model.waitsOf[track], { axis } = this;
    const end = axis.end[steps[steps.length - 1]];
    return [axis.begin[steps[0]], waits.length ? Math.max(end, axis.waitEnd[waits[waits.length - 1]]) : end];
  }

  paintLife(pen, track, top, height) {
    const [begin, end] = this.life(track), left = Math.max(this.gutter, this.x(begin));
    const right = Math.min(this.width, this.x(end));
    if (right > left) pen.fillRect(left, top + 2, Math.max(right - left, 1), height - 4);
  }

  paintWaits(pen, row, top, height) {
    const { waitBegin, waitEnd } = this.axis, { waits } = row, { waitKinds, matchingWaits } = this.model;
    const begins = (i) => waitBegin[waits[i]];
    let i = Math.max(0, lowerBound(waits.length, begins, this.from) - 1);
    while (i < waits.length && begins(i) < this.to) {
      const wait = waits[i], left = Math.max(this.gutter, this.x(waitBegin[wait]));
      const right = Math.min(this.width, this.x(waitEnd[wait]));
      pen.fillStyle = this.colors[KINDS[waitKinds[wait]]];
      if (right - left >= 2) {
        pen.fillRect(left, top, right - left, height);
        // What is waited for is what was searched.
        if (matchingWaits && matchingWaits[wait]) { pen.fillStyle = this.colors.mark; pen.fillRect(left, top + height - 4, right - left, 4); }
        i += 1;
        continue;
      }
      // Many on one pixel: the first stands for all.
      if (right > this.gutter) pen.fillRect(Math.floor(left), top, 1, height);
      i = gallop(waits.length, begins, this.place(Math.floor(left) + 1), i + 1);
    }
  }

  paintSteps(pen, row, axis, top, height) {
    const { begin, end } = axis, { steps } = row, { matching } = this.model;
    const begins = (i) => begin[steps[i]];
    const broad = Math.min(this.scale * 0.8, 14);
    let i = Math.max(0, lowerBound(steps.length, begins, this.from - 1 / this.scale) - 1);
    while (i < steps.length && begins(i) < this.to) {
      const step = steps[i], left = this.x(begin[step]);
      const wide = Math.max(end[step] > begin[step] ? this.x(end[step]) - left : 0, this.squeezed ? Math.max(1, broad) : 2);
      const next = gallop(steps.length, begins, this.place(Math.floor(left) + 1), i + 1);
      if (left + wide > this.gutter) {
        const blocks = this.squeezed ? end[step] - begin[step] > 1 : wide > 2;
        pen.globalAlpha = blocks ? 0.75 : Math.min(1, 0.55 + 0.1 * (next - i));
        pen.fillStyle = this.anyMatch(steps, i, next, matching) ? this.colors.mark : this.colors.step;
        const x = Math.max(this.gutter, left);
        pen.fillRect(x, top, Math.max(1, left + (blocks ? wide : Math.min(wide, Math.max(1, broad, 2))) - x), height);
      }
      i = next;
    }
    pen.globalAlpha = 1;
  }

  anyMatch(steps, from, to, matching) {
    if (!matching) return false;
    for (let i = from; i < Math.min(to, from + 500); i++) if (matching[steps[i]]) return true;
    return false;
  }

  // The ends of a message on the chart, or null if one of its rows is not shown.
  ends(message) {
    const { messages, steps, rowOf } = this.model, { begin } = this.axis;
    const sender = messages.sender[message], taker = messages.taker[message];
    if (taker < 0) return null;
    const from = rowOf[steps.track[sender]], to = rowOf[steps.track[taker]];
    if (from < 0 || to < 0) return null;
    const half = this.squeezed ? 0.4 : 0;
    return { from, to, x0: this.x(begin[sender] + half), x1: this.x(begin[taker] + half) };
  }

  paintArrows(pen, first, last) {
    const all = this.arrowsInSight(first, last), share = Math.max(1, all.length / ARROWS_MAX);
    // Where there are too many to tell apart, some stand for all.
    this.drawn = share === 1 ? all : Array.from({ length: ARROWS_MAX }, (_, i) => all[Math.floor(i * share)]);
    this.left = all.length - this.drawn.length;
    pen.strokeStyle = pen.fillStyle = this.colors.arrow;
    pen.lineWidth = 1.2;
    pen.globalAlpha = this.drawn.length > 150 ? 0.4 : 0.85;
    for (const arrow of this.drawn) this.paintArrow(pen, arrow, this.drawn.length <= 150);
    pen.globalAlpha = 1;
  }

  // The messages with an end in sight; of those that would lie on each other the first.
  arrowsInSight(first, last) {
    const { messages } = this.model, { begin } = this.axis, count = messages.sender.length;
    const seen = new Set(), found = [];
    const from = Math.max(0, lowerBound(count, (i) => begin[messages.sender[i]], this.from) - 200);
    for (let message = from; message < count && begin[messages.sender[message]] < this.to; message++) {
      const ends = this.ends(message);
      if (!ends || ends.x1 < this.gutter || (ends.from < first && ends.to < first) || (ends.from >= last && ends.to >= last)) continue;
      const key = (Math.floor(ends.x0 / 4) * 4096 + (ends.from % 4096)) * 4096 + (ends.to % 4096);
      if (seen.has(key)) continue;
      seen.add(key);
      found.push({ message, ...ends });
    }
    return found;
  }

  paintArrow(pen, { from, to, x0, x1 }, head) {
    const down = to >= from, start = this.bar(from), end = this.bar(to);
    const y0 = down ? start.top + start.height : start.top, y1 = down ? end.top : end.top + end.height;
    const bend = (y1 - y0) * 0.4;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1);
    pen.stroke();
    if (!head) return;
    const tip = down ? -5 : 5;
    pen.beginPath();
    pen.moveTo(x1, y1); pen.lineTo(x1 - 3, y1 + tip); pen.lineTo(x1 + 3, y1 + tip);
    pen.fill();
  }

  paintSelection(pen) {
    const { selected, model } = this;
    if (!selected) return;
    pen.strokeStyle = this.colors.accent;
    pen.lineWidth = 2;
    if (selected.process !== undefined) { this.paintLaneSelection(pen, selected); return; }
    if (selected.kind === "message") {
      const ends = this.ends(selected.index);
      pen.fillStyle = this.colors.accent;
      pen.lineWidth = 3;
      if (ends) this.paintArrow(pen, ends, true);
      return;
    }
    const row = model.rowOfItem(selected);
    if (row < 0) return;
    const [begin, end] = this.placesOf(selected), { top, height } = this.bar(row);
    const left = Math.max(this.gutter - 3, this.x(begin)), right = Math.min(this.width + 3, this.x(end));
    if (right >= left) pen.strokeRect(left - 1.5, top - 1.5, Math.max(right - left, 2) + 3, height + 3);
  }

  placesOf({ kind, index, track }) {
    const { axis, model } = this;
    if (kind === "packet") return [Math.min(axis.packetBegin[index], axis.packetEnd[index]), axis.packetEnd[index]];
    if (kind === "spell") return [axis.spellBegin[index], axis.spellEnd[index]];
    if (kind === "happening") return [axis.happening[index], axis.happening[index]];
    if (kind === "host") return [0, axis.length];
    if (kind === "step") return [axis.begin[index], axis.end[index]];
    if (kind === "wait") return [axis.waitBegin[index], axis.waitEnd[index]];
    if (kind === "track") return this.life(track);
    const { sender, taker } = model.messages, ends = [axis.begin[sender[index]], axis.end[taker[index] < 0 ? sender[index] : taker[index]]];
    return [Math.min(...ends), Math.max(...ends)];
  }

  paintLabel(pen, index) {
    const { colors, model, gutter } = this, row = model.rows[index], y = this.y(index);
    if (gutter) {
      pen.fillStyle = this.isBand(index) ? colors.band : colors.paper;
      pen.fillRect(0, y, gutter - 4, this.rowHeight);
    }
    const middle = y + (gutter ? this.rowHeight / 2 : 11), room = (gutter || this.width) - 16;
    pen.textAlign = "left";
    if (row.title) {
      const tasks = `${row.count} task${row.count === 1 ? "" : "s"}`, name = `${model.expanded.has(row.process) ? "▾" : "▸"} ${row.title}`;
      pen.fillStyle = this.selected && this.selected.kind === "host" && this.selected.process === row.process ? colors.accent : colors.ink;
      pen.font = "bold 12.5px system-ui, sans-serif";
      const used = this.text(pen, name, 8, middle, room * 0.7);
      pen.font = "12px system-ui, sans-serif";
      pen.fillStyle = colors.faint;
      if (row.count) this.text(pen, tasks, 16 + used, middle, room - used - 8);
    }
    const isSelected = this.selected && row.tracks.includes(this.selected.track);
    if (!row.title) {
      pen.font = `${isSelected ? "bold " : ""}12.5px system-ui, sans-serif`;
      pen.fillStyle = isSelected ? colors.accent : row.isCallbacks ? colors.faint : colors.ink;
      const used = this.text(pen, row.name, 8, middle, row.coroutine ? room * 0.55 : room);
      pen.font = "12px system-ui, sans-serif";
      pen.fillStyle = colors.faint;
      if (row.coroutine) this.text(pen, row.coroutine, 16 + used, middle, room - used - 8);
    }
    pen.font = "12.5px system-ui, sans-serif";
  }

  // Writes a text on whatever lies below it.
  outlined(pen, text, x, y, room) {
    const { gutter } = this;
    this.gutter = 0;
    this.text(pen, text, x, y, room);
    this.gutter = gutter;
  }

  // Writes a text, shortened in its middle to what fits; gives how wide it came out.
  text(pen, text, x, y, room) {
    let wide = pen.measureText(text).width;
    if (wide > room) {
      let keep = Math.max(2, Math.floor((text.length * room) / wide) - 1);
      const cut = () => `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
      while (keep > 2 && pen.measureText(cut()).width > room) keep -= 1;
      text = cut();
      wide = pen.measureText(text).width;
    }
    if (!this.gutter) { pen.strokeStyle = this.colors.paper; pen.lineWidth = 4; pen.strokeText(text, x, y); }
    pen.fillText(text, x, y);
    return wide;
  }

  paintAxis(pen) {
    const { colors, width, gutter, height } = this;
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, width, AXIS);
    pen.font = "12px system-ui, sans-serif";
    if (gutter) { pen.fillStyle = colors.line; pen.fillRect(gutter - 4, 0, 1, height); }
    pen.fillStyle = colors.line;
    pen.fillRect(0, AXIS - 1, width, 1);
    const flag = this.failureFlag(pen);
    pen.font = "12px system-ui, sans-serif";
    let free = gutter ? gutter - 2 : 2;
    for (const { place, text, isGap } of this.squeezed ? this.orderTicks() : this.timeTicks()) {
      const x = this.x(place), wide = pen.measureText(text).width;
      const left = isGap ? x - wide / 2 : x + 4;
      if (x < gutter - 0.5 || left < free + 6 || left + wide > width || (flag && left < flag.left + flag.wide && left + wide > flag.left)) continue;
      if (!isGap) { pen.fillStyle = colors.line; pen.fillRect(Math.round(x), 0, 1, AXIS); pen.globalAlpha = 0.5; pen.fillRect(Math.round(x), AXIS, 1, height); pen.globalAlpha = 1; }
      pen.fillStyle = isGap ? colors.accent : colors.faint;
      pen.fillText(text, left, AXIS / 2);
      free = left + wide;
    }
  }

  // What went otherwise than undisturbed: a line at the first step from then on, with its number.
  paintMarks(pen) {
    const { model, axis, gutter, height, colors } = this;
    this.marks.forEach(([us], number) => {
      const step = Math.min(lowerBound(model.count, (i) => model.beginUs[i], us), model.count - 1);
      const x = Math.round(this.x(axis.begin[step]));
      if (x < gutter) return;
      pen.fillStyle = colors.mark;
      pen.fillRect(x - 1, 0, 2, height);
      pen.fillRect(x, height - 16, 18, 16);
      pen.fillStyle = colors.paper;
      pen.fillText(String(number + 1), x + 5, height - 8);
    });
  }

  // The step in which the run failed: a line, and a flag at its top; null if it is not in sight.
  failureFlag(pen) {
    const { failing } = this.model.about, { axis, gutter, width } = this;
    if (!(failing >= 0)) return null;
    const x = Math.round(this.x(axis.begin[failing]));
    if (x < gutter || x > width) return null;
    pen.font = "bold 12px system-ui, sans-serif";
    const wide = pen.measureText("fails").width + 10;
    return { x, wide, left: x + wide > width ? x - wide : x };
  }

  paintFailure(pen) {
    const flag = this.failureFlag(pen), { height, colors } = this;
    if (!flag) return;
    pen.fillStyle = colors.fail;
    pen.fillRect(flag.x - 1, 0, 2, height);
    pen.fillRect(flag.left, 2, flag.wide, 18);
    pen.fillStyle = colors.paper;
    pen.fillText("fails", flag.left + 5, 11.5);
  }

  timeTicks() {
    const { model } = this, least = 120 / this.scale;
    const sizes = [];
    for (let size = 1e-3; size < SECOND; size *= 10) sizes.push(size, 2 * size, 5 * size);
    for (const n of [1, 2, 5, 10, 15, 30]) sizes.push(n * SECOND);
    for (const n of [1, 2, 5, 10, 15, 30]) sizes.push(n * MINUTE);
    for (const n of [1, 2, 3, 6, 12]) sizes.push(n * HOUR);
    for (let n = 1; n < 1e7; n *= 10) sizes.push(n * DAY, 2 * n * DAY, 5 * n * DAY);
    const size = sizes.find((each) => each >= least) || sizes[sizes.length - 1], ticks = [];
    for (let at = Math.ceil((model.start + this.from) / size) * size; at <= model.start + this.to && ticks.length < 100; at += size) {
      ticks.push({ place: at - model.start, text: clock(at) });
    }
    return ticks;
  }

  // Ticks where the clock has just moved, with how far it jumped before, where there is room.
  orderTicks() {
    const { model, axis } = this, { begin } = axis, { beginUs, count } = model, ticks = [];
    const digits = this.to - this.from < 3000 ? 6 : 3;
    for (let x = this.gutter; x < this.width;) {
      let step = this.stepNear(this.place(x));
      while (step > 0 && step < count - 1 && beginUs[step] === beginUs[step - 1] && this.x(begin[step]) < x + 90) step += 1;
      const at = this.x(begin[step]);
      if (at < x - 1) break;
      const before = step ? begin[step - 1] + 1 : 0, wide = (begin[step] - before) * this.scale;
      const jump = step ? beginUs[step] - beginUs[step - 1] : 0;
      if (jump > 0 && wide > 70) ticks.push({ place: (before + begin[step]) / 2, text: `+${span(jump)}`, isGap: true });
      ticks.push({ place: begin[step], text: clock(beginUs[step], digits) });
      const next = step + 1 < count ? this.x(begin[step + 1]) : this.width;
      x = Math.max(at + 110, Math.min(next, at + 160));
    }
    return ticks;
  }

  paintOverview() {
    const { overview, colors, model } = this, pen = overview.getContext("2d");
    const width = overview.clientWidth, height = 30, { begin, length } = this.axis;
    if (!this.density) {
      this.density = new Float32Array(OVERVIEW_BINS);
      const count = (step) => { this.density[Math.min(OVERVIEW_BINS - 1, Math.floor((begin[step] / length) * OVERVIEW_BINS))] += 1; };
      if (model.matches) model.matches.forEach(({ at }) => count(Math.max(0, Math.floor(at))));
      else for (let step = 0; step < model.count; step++) count(step);
      this.most = this.density.reduce((most, bin) => Math.max(most, bin), 1);
    }
    pen.fillStyle = colors.band;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = model.matches ? colors.mark : colors.faint;
    const share = width / OVERVIEW_BINS;
    this.density.forEach((bin, i) => {
      if (!bin) return;
      const high = 3 + (height - 5) * Math.sqrt(bin / this.most);
      pen.fillRect(i * share, height - high, Math.max(share, 0.7), high);
    });
    const left = (this.from / length) * width, right = (this.to / length) * width;
    pen.fillStyle = colors.accent;
    pen.globalAlpha = 0.18;
    pen.fillRect(left, 0, Math.max(2, right - left), height);
    pen.globalAlpha = 1;
    pen.fillRect(Math.max(0, left), 0, 2, height);
    pen.fillRect(Math.min(width - 2, right), 0, 2, height);
    pen.fillStyle = colors.fail;
    if (model.about.failing >= 0) pen.fillRect((begin[model.about.failing] / length) * width - 1, 0, 3, height);
  }

  // Finding ---------------------------------------------------------------------------------

  at(x, y) {
    const { model } = this, index = this.rowAt(y), row = model.rows[index];
    if (y < AXIS) return this.happeningAt(-1, x);
    const arrow = this.arrowAt(x, y);
    if (!row) return arrow;
    if (row.title) return this.laneAt(row, x, y) || arrow;
    if (x < this.gutter) return { kind: "track", index: row.tracks[0], track: row.tracks[0] };
    const step = this.stepAt(row, x), bar = this.bar(index);
    if (step && step.near < 4 && y > bar.top - 2 && y < bar.top + bar.height + 2) return step;
    const packet = this.packetAt(x, y);
    if (arrow || packet) return arrow || packet;
    return this.waitAt(row, x) || (step && step.near < 10 ? step : null) || this.trackAt(row, x);
  }

  stepAt(row, x) {
    const { begin, end } = this.axis, { steps } = row;
    const i = lowerBound(steps.length, (n) => begin[steps[n]], this.place(x));
    let best = null;
    for (const step of [steps[i - 1], steps[i]]) {
      if (step === undefined) continue;
      const left = this.x(begin[step]), right = Math.max(this.x(end[step]), left + 2);
      const near = x < left ? left - x : Math.max(0, x - right);
      if (!best || near < best.near) best = { kind: "step", index: step, track: this.model.steps.track[step], near };
    }
    return best;
  }

  waitAt(row, x) {
    const { waitBegin, waitEnd } = this.axis, place = this.place(x), { waits } = row;
    const i = lowerBound(waits.length, (n) => waitBegin[waits[n]], place) - 1;
    if (i < 0 || waitEnd[waits[i]] < place) return null;
    return { kind: "wait", index: waits[i], track: this.model.waits.track[waits[i]] };
  }

  trackAt(row, x) {
    const place = this.place(x), track = row.tracks.find((each) => { const [begin, end] = this.life(each); return begin <= place && place <= end; });
    return track === undefined || row.isCallbacks ? null : { kind: "track", index: track, track };
  }

  arrowAt(x, y) {
    if (!this.showsArrows) return null;
    for (const { message, from, to, x0, x1 } of this.drawn) {
      const start = this.bar(from), end = this.bar(to), down = to >= from;
      const y0 = down ? start.top + start.height : start.top, y1 = down ? end.top : end.top + end.height;
      if (y < Math.min(y0, y1) || y > Math.max(y0, y1) || y0 === y1) continue;
      const t = (y - y0) / (y1 - y0), eased = t * t * (3 - 2 * t);
      if (Math.abs(x - (x0 + (x1 - x0) * eased)) < 5) {
        return { kind: "message", index: message, track: this.model.steps.track[this.model.messages.sender[message]] };
      }
    }
    return null;
  }
}

Object.assign(Chart.prototype, Lanes);
