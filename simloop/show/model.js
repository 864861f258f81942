"use strict";
// The model: what was traced, where each thing lies on an axis, and which row it is in.
// It knows nothing of pixels or of the document.

const SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const KINDS = ["sleep", "net", "sync", "task", "other"];

// 0:01:30.25, as the command writes virtual time.
function clock(us, digits = 9) {
  const sign = us < 0 ? "−" : "";
  us = Math.abs(us);
  const days = Math.floor(us / DAY), rest = us - days * DAY;
  let whole = Math.floor(rest / SECOND);
  let fraction = (rest / SECOND - whole).toFixed(digits).slice(1).replace(/\.?0+$/, "");
  if (fraction.startsWith("1")) { whole += 1; fraction = ""; }
  const two = (n) => String(n).padStart(2, "0");
  const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${fraction}`;
  return sign + (days ? `${days} day${days === 1 ? "" : "s"} ${text}` : text);
}

// 1.5 s, 20 ms, 3 min 20 s: how long something took.
function span(us) {
  const plain = (value, unit) => `${+value.toPrecision(4)} ${unit}`;
  const two = (whole, large, rest, small) => `${whole.toLocaleString("en")} ${large}${+rest ? ` ${+rest} ${small}` : ""}`;
  if (us >= DAY) return two(Math.floor(us / DAY), "d", Math.floor((us % DAY) / HOUR), "h");
  if (us >= HOUR) return two(Math.floor(us / HOUR), "h", Math.floor((us % HOUR) / MINUTE), "min");
  if (us >= MINUTE) return two(Math.floor(us / MINUTE), "min", ((us % MINUTE) / SECOND).toFixed(2), "s");
  if (us >= SECOND) return plain(us / SECOND, "s");
  if (us >= 1000) return plain(us / 1000, "ms");
  return us === 0 ? "0 s" : plain(us, "µs");
}

// The first index from `low` on whose value is not below `value`; values rise.
function lowerBound(length, at, value, low = 0) {
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(middle) < value) low = middle + 1; else high = middle;
  }
  return low;
}

// The same from a start near to the answer: in steps that double.
function gallop(length, at, value, from) {
  let width = 1;
  while (from + width < length && at(from + width) < value) width *= 2;
  return lowerBound(Math.min(length, from + width), at, value, from + (width >> 1));
}

function kindOf(reason) {
  if (/sleep/.test(reason)) return 0;
  if (/stream|peer|server|connection/.test(reason)) return 1;
  if (/lock|event|condition|semaphore|barrier|queue/.test(reason)) return 2;
  if (/task|gather/.test(reason)) return 3;
  return 4;
}

class Model {
  constructor(data) {
    Object.assign(this, data);
    const { steps, waits, moments } = this;
    this.count = steps.track.length;
    this.start = Math.min(...steps.begin.slice(0, 1).map((m) => moments[m]), this.end);
    this.beginUs = Float64Array.from(steps.begin, (m) => moments[m]);
    this.endUs = Float64Array.from(steps.end, (m) => moments[m]);
    this.waitKinds = Uint8Array.from(waits.reason, (t) => kindOf(this.texts[t]));
    this.stepsOf = this.tracks.map(() => []);
    steps.track.forEach((track, step) => this.stepsOf[track].push(step));
    this.waitsOf = this.tracks.map(() => []);
    waits.track.forEach((track, wait) => this.waitsOf[track].push(wait));
    this.packetsOf = this.processes.map(() => []);
    this.packets.sender.forEach((_, packet) => {
      for (const host of new Set([this.packets.source[packet], this.hostTo(packet)])) if (host >= 0) this.packetsOf[host].push(packet);
    });
    // 1: lost; 2: on its way still, when the run ended.
    this.isLost = Uint8Array.from(this.packets.why, (text) => (this.texts[text] === "" ? 0 : this.texts[text].startsWith("on its way") ? 2 : 1));
    this.hasLanes = this.processes.length > 1;
    // Where packets are, hosts are looked at first, and their tasks where somebody opens them.
    this.expanded = new Set(this.packets.kind.length ? [] : this.processes.keys());
    this.axes = { time: this.timeAxis(), order: this.orderAxis() };
    this.allRows = this.layRows();
    this.query = "";
    this.matches = this.matching = this.matchingWaits = null;
    this.arrange();
  }

  // The host that a packet goes to: where it ended, if it was lost on its way and nothing else tells.
  hostTo(packet) {
    const { destination, at } = this.packets;
    return destination[packet] >= 0 ? destination[packet] : at[packet];
  }

  name(step) { return this.texts[this.steps.name[step]]; }
  where(step) { return this.texts[this.steps.where[step]]; }
  waitUs(wait) { return this.moments[this.waits.end[wait]] - this.moments[this.waits.begin[wait]]; }

  // An axis gives each step and each wait its place. On this one, a place is a time.
  timeAxis() {
    const { start, moments, waits } = this;
    const length = Math.max(this.end - start, 1);
    return {
      length,
      least: 1e-3,
      begin: Float64Array.from(this.beginUs, (t) => t - start),
      end: Float64Array.from(this.endUs, (t) => t - start),
      waitBegin: Float64Array.from(waits.begin, (m) => moments[m] - start),
      waitEnd: Float64Array.from(waits.end, (m) => moments[m] - start),
      ...this.placesOfHosts((us) => us - start),
      timeAt: (place) => start + place,
    };
  }

  // On this one each step has a column of its own, in the order in which they ran, and the clock's
  // jumps lie between them, hours little wider than seconds.
  orderAxis() {
    const { beginUs, endUs, count, waits } = this;
    const begin = new Float64Array(count), end = new Float64Array(count);
    const width = (us) => (us > 0 ? 2 + 3 * Math.log10(1 + us) : 0);
    let place = 1, before = count ? beginUs[0] : 0;
    for (let step = 0; step < count; step++) {
      place += width(beginUs[step] - before);
      before = Math.max(before, beginUs[step]);
      begin[step] = place;
      place += 1;
      end[step] = place;
    }
    const length = place + width(this.end - before) + 1;
    // Where a time lies that comes after a step: at the first step of that time, or in the jump
    // over it.
    const placeOf = (us, step) => {
      const after = gallop(count, (i) => beginUs[i], us, step), before = after - 1;
      const next = after < count ? begin[after] : length - 1;
      const nextUs = after < count ? beginUs[after] : this.end;
      if (us >= nextUs || before < 0) return next;
      const share = (us - beginUs[before]) / (nextUs - beginUs[before]);
      return begin[before] + 1 + share * (next - begin[before] - 1);
    };
    for (let step = 0; step < count; step++) {
      if (endUs[step] > beginUs[step]) end[step] = Math.max(end[step], placeOf(endUs[step], step));
    }
    const waitEnd = (step, wait) => (
      step < 0 ? placeOf(this.moments[waits.end[wait]], waits.after[wait]) : begin[step]
    );
    return {
      length,
      least: 4,
      begin,
      end,
      waitBegin: Float64Array.from(waits.after, (step) => end[step]),
      waitEnd: Float64Array.from(waits.before, waitEnd),
      ...this.placesOfHosts((us, step) => (step < 0 ? 0.5 : us > endUs[step] ? placeOf(us, step) : begin[step] + 0.4)),
      timeAt: (place) => {
        const step = lowerBound(count, (i) => begin[i], place + 1e-9) - 1;
        if (step < 0) return this.start;
        const next = step + 1 < count ? begin[step + 1] : length;
        const nextUs = step + 1 < count ? beginUs[step + 1] : this.end;
        if (place <= begin[step] + 1 || next <= begin[step] + 1) return beginUs[step];
        const share = (place - begin[step] - 1) / (next - begin[step] - 1);
        return beginUs[step] + share * (nextUs - beginUs[step]);
      },
    };
  }

  // Where packets, spells and moments lie, by their times and by the steps in which they are.
  placesOfHosts(placeOf) {
    const { packets, spells, happenings } = this;
    const places = (us, steps) => Float64Array.from(us, (each, i) => placeOf(each, steps[i]));
    return {
      packetBegin: places(packets.begin, packets.sender),
      packetEnd: places(packets.end, packets.taker),
      spellBegin: Float64Array.from(spells, ([, , , begin, , after]) => placeOf(begin, after)),
      spellEnd: Float64Array.from(spells, ([, , , , end, after, before]) => placeOf(end, before < 0 ? after : before)),
      happening: Float64Array.from(happenings, ([, , , us, step]) => placeOf(us, step)),
    };
  }

  // Whether the order says more than the time: where most of the time nothing happens, or much
  // happens at one moment.
  isBetterSqueezed() {
    const bins = new Uint8Array(1000), { begin, length } = this.axes.time;
    let moments = 0;
    begin.forEach((place, step) => {
      bins[Math.min(999, Math.floor((place / length) * 1000))] = 1;
      moments += step === 0 || place !== begin[step - 1];
    });
    return bins.reduce((sum, bin) => sum + bin, 0) < 700 || this.count > 3 * moments;
  }

  // Rows: per host its lane, if there are several, its tasks, then its callbacks; what the world
  // does by itself comes last. Tasks without a name of their own that run the same coroutine one
  // after the other share a row.
  layRows() {
    const rows = [], isWorld = (process) => this.processes[process] === "the world";
    const order = [...this.processes.keys()].sort((one, other) => isWorld(one) - isWorld(other) || one - other);
    for (const process of order) {
      if (this.hasLanes) rows.push({ ...this.row([]), title: this.processes[process], process, isWorld: isWorld(process) });
      const mine = this.tracks.map((_, track) => track)
        .filter((track) => this.tracks[track][0] === process && this.stepsOf[track].length);
      mine.sort((one, other) => this.stepsOf[one][0] - this.stepsOf[other][0]);
      const lanes = new Map(), last = [];
      for (const track of mine) {
        const [, name, coroutine] = this.tracks[track];
        if (!coroutine) { last.push({ ...this.row([track]), process }); continue; }
        const key = /^Task(-\d+)?$/.test(name) ? coroutine : `${name}\n${coroutine}`;
        const row = this.freeLane(lanes, key, track);
        if (row) row.tracks.push(track);
        else {
          const made = { ...this.row([track]), process };
          rows.push(made);
          if (!lanes.has(key)) lanes.set(key, []);
          lanes.get(key).push(made);
        }
      }
      rows.push(...last);
    }
    for (const row of rows) this.fillRow(row);
    return rows;
  }

  freeLane(lanes, key, track) {
    const begins = this.stepsOf[track][0];
    return (lanes.get(key) || []).find((row) => {
      const steps = this.stepsOf[row.tracks[row.tracks.length - 1]];
      return steps[steps.length - 1] < begins;
    });
  }

  row(tracks) { return { tracks, steps: [], waits: [] }; }

  fillRow(row) {
    if (row.title) {
      row.steps = this.tracks.flatMap(([process], track) => (process === row.process ? this.stepsOf[track] : []));
      row.steps.sort((one, other) => one - other);
      row.spells = [...this.spells.keys()].filter((spell) => this.spells[spell][0] === row.process);
      row.happenings = [...this.happenings.keys()].filter((each) => this.happenings[each][0] === row.process);
      row.count = this.tracks.filter(([process, , coroutine]) => process === row.process && coroutine).length;
      return;
    }
    for (const track of row.tracks) {
      for (const step of this.stepsOf[track]) row.steps.push(step);
      for (const wait of this.waitsOf[track]) row.waits.push(wait);
    }
    const [, name, coroutine] = this.tracks[row.tracks[0]];
    const many = row.tracks.length;
    row.name = many > 1 && /^Task(-\d+)?$/.test(name) ? `${many} tasks` : name;
    row.coroutine = coroutine;
    row.isCallbacks = !coroutine;
  }

  // Which rows are shown: those with a match of the search, or else what is opened.
  arrange() {
    const { matching, matchingWaits, query } = this;
    const matches = (row) => row.steps.some((step) => matching[step]) || row.waits.some((wait) => matchingWaits[wait]);
    const shown = (row) => {
      if (!row.title) return query ? matches(row) : !this.hasLanes || this.expanded.has(row.process);
      if (query) return matches(row) || this.matchingHosts[row.process] || this.allRows.some((each) => !each.title && each.process === row.process && matches(each));
      return !row.isWorld || this.expanded.has(row.process);
    };
    this.rows = this.allRows.filter(shown);
    this.indexRows();
  }

  // Opens a host, or closes it.
  toggle(process, open = !this.expanded.has(process)) {
    if (open) this.expanded.add(process); else this.expanded.delete(process);
    this.arrange();
  }

  // Search: narrows the rows to those with a match, and marks the steps, waits and packets that match.
  search(query) {
    this.query = query.trim().toLowerCase();
    this.matches = this.matching = this.matchingWaits = null;
    if (this.query) this.find(this.query);
    this.arrange();
  }

  find(query) {
    const has = (text) => text.toLowerCase().includes(query), { steps, waits, packets } = this;
    const texts = Uint8Array.from(this.texts, has);
    const tracks = this.tracks.map(([, name, coroutine, where]) => has(name) || has(coroutine) || has(where));
    this.matching = Uint8Array.from(steps.track, (track, step) => tracks[track] || texts[steps.name[step]] || texts[steps.where[step]]);
    this.matchingWaits = Uint8Array.from(waits.track, (_, wait) => texts[waits.reason[wait]] || texts[waits.where[wait]]);
    this.matchingHosts = this.processes.map(has);
    const found = [];
    this.matching.forEach((is, step) => is && found.push({ kind: "step", index: step, track: steps.track[step], at: step }));
    this.matchingWaits.forEach((is, wait) => is && found.push({ kind: "wait", index: wait, track: waits.track[wait], at: waits.after[wait] + 0.5 }));
    packets.kind.forEach((kind, packet) => {
      if (![kind, packets.from[packet], packets.to[packet], packets.begins[packet], packets.why[packet]].some((text) => texts[text])) return;
      found.push({ kind: "packet", index: packet, process: packets.source[packet], at: packets.sender[packet] + 0.7 });
      this.matchingHosts[packets.source[packet]] = true;
    });
    this.happenings.forEach(([process, , text, , step], index) => {
      if (!has(text)) return;
      found.push({ kind: "happening", index, process, at: step + 0.8 });
      if (process >= 0) this.matchingHosts[process] = true;
    });
    this.spells.forEach(([process, , state, , , after], index) => {
      if (!has(state)) return;
      found.push({ kind: "spell", index, process, at: after + 0.9 });
      this.matchingHosts[process] = true;
    });
    this.matches = found.sort((one, other) => one.at - other.at);
  }

  indexRows() {
    const rowOf = this.rowOf = new Int32Array(this.tracks.length).fill(-1);
    const laneOf = this.laneOf = new Int32Array(this.processes.length).fill(-1);
    this.rows.forEach((row, index) => {
      if (row.title) laneOf[row.process] = index;
      row.tracks.forEach((track) => { rowOf[track] = index; });
    });
  }

  // The row of something that can be selected; -1 where it is not shown, or in none. A step of a
  // host that is closed is on its lane.
  rowOfItem(item) {
    if (item.track !== undefined) return this.rowOf[item.track] >= 0 || item.kind !== "step" ? this.rowOf[item.track] : this.laneOf[this.tracks[item.track][0]];
    return item.process >= 0 ? this.laneOf[item.process] : -1;
  }

  label(track) {
    const [process, name, coroutine] = this.tracks[track];
    const host = this.processes.length > 1 ? ` on ${this.processes[process]}` : "";
    return (coroutine ? `${name} (${coroutine})` : name) + host;
  }

  slowest(count, leaveOutSleeps) {
    const order = [];
    for (let wait = 0; wait < this.waits.track.length; wait++) {
      if (!leaveOutSleeps || this.waitKinds[wait] !== 0) order.push(wait);
    }
    return order.sort((one, other) => this.waitUs(other) - this.waitUs(one) || one - other).slice(0, count);
  }
}
