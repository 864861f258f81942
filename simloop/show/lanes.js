"use strict";
// The lanes of hosts: what is the matter with each, what happened to it, and packets between them.
// Mixed into the chart, whose rows and axis they lie on.

const PACKETS_MAX = 600, CONTROL = new Set(["syn", "syn-ack", "ack", "fin"]);

const Lanes = {
  paintLane(pen, row, index) {
    const { top, height } = this.bar(index), middle = top + height / 2;
    pen.fillStyle = this.colors.line;
    pen.fillRect(this.gutter, Math.round(middle), this.width - this.gutter, 1);
    for (const spell of row.spells) this.paintSpell(pen, spell, top, height);
    this.paintSteps(pen, row, this.axis, middle - 4, 8);
    for (const each of row.happenings) this.paintHappening(pen, each, middle);
  },

  paintSpell(pen, spell, top, height) {
    const [, kind, state] = this.model.spells[spell], { spellBegin, spellEnd } = this.axis;
    const left = Math.max(this.gutter, this.x(spellBegin[spell])), right = Math.min(this.width, this.x(spellEnd[spell]));
    if (right <= this.gutter || left >= this.width) return;
    const wide = Math.max(2, right - left), isPower = kind === "power";
    const y = isPower ? top : top + height - 6, high = isPower ? height : 6;
    pen.fillStyle = this.colors[isPower ? state : "cut"] || this.colors.off;
    pen.globalAlpha = isPower ? 0.55 : 0.9;
    pen.fillRect(left, y, wide, high);
    pen.globalAlpha = 1;
    const textY = isPower ? top + 9 : y - 7;
    if (wide > 44 && height >= 24 && !this.narrow) {
      pen.font = "11.5px system-ui, sans-serif";
      pen.fillStyle = this.colors.ink;
      this.outlined(pen, state, left + 4, textY, wide - 8);
      pen.font = "12.5px system-ui, sans-serif";
    }
  },

  // Crosses for what ends badly, a triangle for a boot, rings for processes that begin and end.
  paintHappening(pen, index, middle) {
    const [, , text, us] = this.model.happenings[index], bad = isBad(text) && !this.endsWithRun(text, us), x = this.x(this.axis.happening[index]);
    if (x < this.gutter || x > this.width) return;
    pen.lineWidth = 2;
    pen.strokeStyle = pen.fillStyle = bad ? this.colors.mark : this.colors.accent;
    pen.beginPath();
    if (bad) { pen.moveTo(x - 5, middle - 5); pen.lineTo(x + 5, middle + 5); pen.moveTo(x + 5, middle - 5); pen.lineTo(x - 5, middle + 5); pen.stroke(); return; }
    if (/ boots$/.test(text)) { pen.moveTo(x - 5, middle + 5); pen.lineTo(x + 5, middle + 5); pen.lineTo(x, middle - 5); pen.fill(); return; }
    pen.arc(x, middle, 4, 0, 2 * Math.PI);
    pen.lineWidth = 1.5;
    pen.stroke();
  },

  // Whether a process was ended only because the run was over.
  endsWithRun(text, us) { return us === this.model.end && / ends: -9$/.test(text); },

  // The ends of a packet on the chart, or null if a lane is not shown. One that was lost at once
  // goes a little way, and no further.
  packetEnds(packet) {
    const { packets, laneOf } = this.model, { packetBegin, packetEnd } = this.axis;
    const source = packets.source[packet], to = this.model.hostTo(packet), isLost = this.model.isLost[packet] === 1, isOnWay = this.model.isLost[packet] === 2;
    const from = laneOf[source], target = to < 0 ? -1 : laneOf[to];
    if (from < 0 || (to >= 0 && target < 0 && !isLost)) return null;
    const middle = (row) => { const { top, height } = this.bar(row); return top + height / 2; };
    const x0 = this.x(packetBegin[packet]), y0 = middle(from);
    let x1 = this.x(packetEnd[packet]), y1 = target < 0 ? y0 + this.rowHeight * 0.45 : middle(target);
    if (to === source) y1 = y0 - this.rowHeight * 0.4;
    if (isLost) {
      const share = packets.at[packet] === source ? 0.35 : 0.8;
      y1 = y0 + (y1 - y0) * share;
      x1 = share < 0.5 ? x0 + 9 : x0 + (x1 - x0) * share;
    }
    if (isOnWay) y1 = y0 + (y1 - y0) * 0.6;
    return { x0, y0, x1, y1, isLost, isOnWay };
  },

  paintPackets(pen) {
    const all = this.packetsInSight(), share = Math.max(1, all.length / PACKETS_MAX);
    this.packetsDrawn = share === 1 ? all : Array.from({ length: PACKETS_MAX }, (_, i) => all[Math.floor(i * share)]);
    this.packetsLeft = all.length - this.packetsDrawn.length;
    const isCrowded = this.packetsDrawn.length > this.width / 7;
    this.showsHeads = !isCrowded || this.packetsDrawn.length <= 40;
    // Over the rows of tasks they step back.
    pen.globalAlpha = !this.lanesOnly ? 0.35 : isCrowded ? 0.6 : 0.9;
    for (const each of this.packetsDrawn) this.paintPacket(pen, each, 1.2);
    pen.globalAlpha = 1;
  },

  // The packets with an end in sight; of those that would lie on each other the first. Where there
  // are thousands, some stand for all, but for the lost ones.
  packetsInSight() {
    const { packets, laneOf, isLost } = this.model, { packetBegin, packetEnd } = this.axis, seen = new Set(), found = [];
    const count = packets.kind.length, begins = (i) => packetBegin[i];
    const first = Math.max(0, lowerBound(count, begins, this.from) - 500), last = lowerBound(count, begins, this.to);
    const stride = Math.ceil(Math.max(1, last - first) / 8000);
    for (let packet = first; packet < last; packet++) {
      if ((packet % stride && !isLost[packet]) || packetEnd[packet] < this.from) continue;
      const to = this.model.hostTo(packet), lanes = (laneOf[packets.source[packet]] + 1) * 4096 + (to < 0 ? 0 : laneOf[to] + 1);
      const key = (Math.floor(this.x(packetBegin[packet]) / 3) + 1000) * 2 ** 26 + lanes * 4 + isLost[packet];
      if (seen.has(key)) continue;
      const ends = this.packetEnds(packet);
      if (!ends) continue;
      seen.add(key);
      found.push({ packet, ...ends });
    }
    return found;
  },

  paintPacket(pen, { packet, x0, y0, x1, y1, isLost, isOnWay }, thick, color) {
    const kind = this.model.texts[this.model.packets.kind[packet]];
    const faint = CONTROL.has(kind), bad = isLost || kind === "rst" || kind === "icmp";
    pen.strokeStyle = pen.fillStyle = color || this.colors[bad ? "mark" : faint ? "faint" : "arrow"];
    pen.lineWidth = faint && !bad ? thick * 0.75 : thick;
    pen.setLineDash(isLost || isOnWay ? [4, 3] : []);
    pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke();
    pen.setLineDash([]);
    if (isLost) {
      pen.beginPath();
      pen.moveTo(x1 - 3, y1 - 3); pen.lineTo(x1 + 3, y1 + 3); pen.moveTo(x1 + 3, y1 - 3); pen.lineTo(x1 - 3, y1 + 3);
      pen.lineWidth = 1.6;
      pen.stroke();
    } else if (this.showsHeads && !isOnWay) {
      const angle = Math.atan2(y1 - y0, x1 - x0), wing = (turn) => [x1 - 6 * Math.cos(angle + turn), y1 - 6 * Math.sin(angle + turn)];
      pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(...wing(0.45)); pen.lineTo(...wing(-0.45)); pen.fill();
    }
    const long = Math.hypot(x1 - x0, y1 - y0);
    if (this.rowHeight > 60 && this.packetsDrawn.length <= 40 && long > 40 && !this.narrow) {
      pen.font = "11px system-ui, sans-serif";
      this.outlined(pen, kind, (x0 + x1) / 2 + 5, (y0 + y1) / 2, 80);
      pen.font = "12.5px system-ui, sans-serif";
    }
  },

  paintFaults(pen) {
    const { happenings } = this.model;
    happenings.forEach(([process], index) => {
      const x = this.x(this.axis.happening[index]);
      if (process >= 0 || x < this.gutter || x > this.width) return;
      pen.fillStyle = this.colors.mark;
      pen.beginPath(); pen.moveTo(x - 4, AXIS - 8); pen.lineTo(x + 4, AXIS - 8); pen.lineTo(x, AXIS); pen.fill();
      pen.globalAlpha = 0.25;
      pen.fillRect(x - 0.5, AXIS, 1, this.height);
      pen.globalAlpha = 1;
    });
  },

  packetAt(x, y) {
    if (!this.showsPackets) return null;
    let best = null;
    for (const { packet, x0, y0, x1, y1 } of this.packetsDrawn) {
      const long = (x1 - x0) ** 2 + (y1 - y0) ** 2 || 1;
      const t = Math.max(0, Math.min(1, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / long));
      const away = Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
      if (away < 5 && (!best || away < best.away)) best = { kind: "packet", index: packet, process: this.model.packets.source[packet], away };
    }
    return best;
  },

  happeningAt(process, x) {
    const { happenings } = this.model;
    const index = happenings.findIndex(([of], each) => of === process && Math.abs(this.x(this.axis.happening[each]) - x) < 6);
    return index < 0 ? null : { kind: "happening", index, process };
  },

  spellAt(row, x, y) {
    const { spellBegin, spellEnd } = this.axis, place = this.place(x), index = this.model.rows.indexOf(row), { top, height } = this.bar(index);
    const isLow = y > top + height - 9;
    const spell = row.spells.filter((each) => spellBegin[each] <= place && place <= spellEnd[each])
      .sort((one, other) => (this.model.spells[one][1] === "network") === isLow ? -1 : 1)[0];
    return spell === undefined ? null : { kind: "spell", index: spell, process: row.process };
  },

  laneAt(row, x, y) {
    const bar = this.bar(this.model.rows.indexOf(row)), isLabel = this.gutter ? x < this.gutter : y < bar.top && x < 160;
    if (isLabel) return { kind: "host", process: row.process, index: row.process };
    const isMiddle = Math.abs(y - bar.top - bar.height / 2) < 8;
    const happening = isMiddle && this.happeningAt(row.process, x);
    return happening || this.packetAt(x, y) || (isMiddle && this.nearStep(row, x)) || this.spellAt(row, x, y);
  },

  nearStep(row, x) {
    const step = this.stepAt(row, x);
    return step && step.near < 4 ? step : null;
  },

  paintLaneSelection(pen, { kind, index, process }) {
    if (kind === "packet") {
      const ends = this.packetEnds(index);
      if (ends) this.paintPacket(pen, { packet: index, ...ends }, 3, this.colors.accent);
      return;
    }
    const row = process < 0 ? -1 : this.model.laneOf[process];
    const [begin, end] = this.placesOf({ kind, index, process });
    const { top, height } = row < 0 ? { top: 2, height: AXIS - 4 } : this.bar(row);
    const left = Math.max(this.gutter - 3, this.x(begin) - (begin === end ? 6 : 0)), right = Math.min(this.width + 3, this.x(end) + (begin === end ? 6 : 0));
    if (right >= left && kind !== "host") pen.strokeRect(left - 1.5, top - 1.5, Math.max(right - left, 2) + 3, height + 3);
  },
};

function isBad(text) {
  const code = / ends: (-?\d+)$/.exec(text);
  return / crashes$/.test(text) || Boolean(code && code[1] !== "0");
}
