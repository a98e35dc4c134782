// The plan bench: rows are what is tried, marks in the lanes are handles of rows, and every change
// is asked of the studio at once. One question at a time; the latest is never left unasked. A mark of
// what was recorded gets a row once it is moved. What is said comes from the catalogue.
"use strict";
const WAIT_MS = 180, SLOW_MS = 900, STEP_MIN = 5, PIXELS_A_STEP = 7;
const find = (id) => document.getElementById(id);
const bench = find("bench"), events = find("events"), settings = find("settings");
const words = JSON.parse(bench.dataset.words);
const tell = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
let timer = null, asking = false, again = false, sent = {}, count = 0, moved = "", start = "", stretch = "";

// Rows

function addRow(kind, values = {}, where = events, chip = null) {
  const made = document.querySelector(`template[data-row="${kind}"]`).content.firstElementChild.cloneNode(true);
  made.id = `row-${++count}`;
  where.append(made);
  for (const [key, value] of Object.entries(values)) {
    const input = field(made, key);
    if (input) input.value = String(value);
  }
  if (chip) {
    const { at, day } = chip.recorded;
    hold(chip, made);
    made.querySelector("legend").textContent = tell("recorded_at", { row: made.dataset.title, when: clockOf(at, day) });
  }
  ready(made);
  return made;
}

function ready(row) {
  const legend = row.querySelector("legend");
  for (const input of row.querySelectorAll("[data-field]")) {
    const label = input.closest("label").querySelector("span").textContent;
    input.setAttribute("aria-label", tell("field", { row: legend.textContent, field: label }));
  }
  for (const slide of row.querySelectorAll(".slide")) {
    const input = field(row, slide.dataset.slides);
    slide.setAttribute("aria-label", tell("slider", { row: legend.textContent, field: slide.dataset.label }));
    slide.value = parseFloat(input.value) || 0;
    slide.addEventListener("input", () => {
      const number = Number(slide.value);
      input.value = input.dataset.field === "change" ? `${number < 0 ? "" : "+"}${number}%` : String(number);
      changed();
    });
    input.addEventListener("input", () => { slide.value = parseFloat(input.value) || 0; });
  }
  row.querySelector(".remove").setAttribute("aria-label", tell("remove", { row: legend.textContent }));
  row.querySelector(".remove").addEventListener("click", () => remove(row));
  row.addEventListener("input", changed);
  if (row.dataset.lane) makeChip(row);
}

function remove(row) {
  letGo(row);
  const next = row.nextElementSibling || row.previousElementSibling;
  row.remove();
  const there = next ? next.querySelector("input, select") : document.querySelector("[data-add]");
  there.focus();
  changed();
}

const field = (row, key) => row.querySelector(`[data-field="${key}"]`);

function valuesOf(row) {
  const values = {};
  for (const input of row.querySelectorAll("[data-field]")) {
    if (input.type === "checkbox") { if (input.checked) values[input.dataset.field] = true; }
    else if (input.value.trim() !== "") values[input.dataset.field] = input.value.trim();
  }
  return values;
}

function changesNothing(row, values) {
  const neutral = Object.entries(JSON.parse(row.dataset.neutral));
  return neutral.length > 0 && neutral.every(([key, value]) => String(values[key] ?? "") === value);
}

function collect() {
  const scenario = { name: find("name").value.trim() || bench.dataset.name, hours: find("hours").value };
  sent = {};
  for (const row of bench.querySelectorAll("#form .row")) {
    const values = valuesOf(row), kind = row.dataset.kind;
    if (changesNothing(row, values)) continue;
    for (const key of ["day", "to_day"]) if (key in values) values[key] = Number(values[key]);
    if (kind === "exercise" && "heart_rate_bpm" in values) delete values.intensity;
    if (kind === "target" && !("to_mg_dl" in values)) continue;
    sent[kind] = [...(sent[kind] || []), row];
    if (row.dataset.single) scenario[kind] = values;
    else scenario[kind] = [...(scenario[kind] || []), values];
  }
  return { scenario, day: find("day").value, correction_factor: find("factor").value.trim() };
}

// Marks in the lanes

const hours = () => Number(find("hours").value);

const whenOf = (row) => field(row, row.dataset.when);
const dayOf = (row) => field(row, row.dataset.whenDay);

function minutes(clock, day) {
  const found = /^(\d{1,2}):(\d{2})$/.exec(clock.trim());
  return found ? 1440 * (Number(day) - 1) + 60 * Number(found[1]) + Number(found[2]) : null;
}

const minuteOf = (row) => minutes(whenOf(row).value, dayOf(row).value);

function setMinute(row, minute) {
  const kept = Math.min(Math.max(STEP_MIN * Math.round(minute / STEP_MIN), 0), 60 * hours() - STEP_MIN);
  const two = (number) => String(number).padStart(2, "0");
  dayOf(row).value = String(1 + Math.floor(kept / 1440));
  whenOf(row).value = `${two(Math.floor((kept % 1440) / 60))}:${two(kept % 60)}`;
}

const amountOf = (row) => parseFloat(field(row, row.dataset.amount).value) || 0;

function setAmount(row, amount) {
  const step = Number(row.dataset.step);
  field(row, row.dataset.amount).value = String(Math.max(step * Math.round(amount / step), Number(row.dataset.least)));
}

function newChip(kind, lane) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = `chip ${kind}`;
  document.querySelector(`.lane[data-lane="${lane}"] .track`).append(chip);
  chip.addEventListener("keydown", (event) => byKey(event, chip));
  chip.addEventListener("pointerdown", (event) => grab(event, chip));
  return chip;
}

function makeChip(row) {
  if (!row.chip) hold(newChip(row.dataset.kind, row.dataset.lane), row);
  row.chip.setAttribute("aria-describedby", row.chip.recorded ? "lanes-help lanes-help-recorded" : "lanes-help");
  place(row);
}

function hold(chip, row) {
  row.chip = chip;
  chip.row = row;
}

function place(row) {
  const amount = field(row, row.dataset.amount).value, gone = row.chip.recorded && parseFloat(amount) === 0;
  const told = gone ? words.left_out : tell("amount", { amount, unit: row.dataset.unit });
  draw(row.chip, minuteOf(row), row.querySelector("legend").textContent, clockOf(whenOf(row).value, dayOf(row).value), told);
  row.chip.classList.toggle("gone", gone);
}

const clockOf = (at, day) => (hours() > 24 ? tell("when_day", { at, day }) : at);

function draw(chip, minute, row, when, amount) {
  chip.hidden = minute === null || minute >= 60 * hours();
  if (chip.hidden) return;
  chip.style.left = `${(100 * minute) / (60 * hours())}%`;
  chip.textContent = amount;
  chip.setAttribute("aria-label", tell("chip", { row, when, amount }));
}

function byKey(event, chip) {
  const far = event.shiftKey ? 60 : STEP_MIN;
  const moves = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (!(event.key in moves) && event.key !== "Enter" && event.key !== "Delete") return;
  event.preventDefault();
  if (event.key === "Delete" && !chip.recorded) { remove(chip.row); return; }
  const row = rowOf(chip);
  if (event.key === "Enter") { whenOf(row).focus(); return; }
  const [later, more] = moves[event.key] || [0, 0];
  if (event.key === "Delete") field(row, row.dataset.amount).value = "0";
  else if (later) setMinute(row, minuteOf(row) + later);
  else setAmount(row, amountOf(row) + more * Number(row.dataset.step));
  changed();
  moved = chip.getAttribute("aria-label");
}

function grab(event, chip) {
  const track = chip.parentElement.getBoundingClientRect();
  let from = null;
  const move = (now) => {
    const row = rowOf(chip);
    from = from || { x: event.clientX, y: event.clientY, minute: minuteOf(row), amount: amountOf(row) };
    setMinute(row, from.minute + ((now.clientX - from.x) / track.width) * 60 * hours());
    const steps = Math.trunc((from.y - now.clientY) / PIXELS_A_STEP);
    if (steps) setAmount(row, from.amount + steps * Number(row.dataset.step));
    changed();
  };
  const drop = () => { chip.removeEventListener("pointermove", move); };
  chip.setPointerCapture(event.pointerId);
  chip.addEventListener("pointermove", move);
  chip.addEventListener("pointerup", drop, { once: true });
  chip.addEventListener("pointercancel", drop, { once: true });
}

// What was recorded: a mark each, and a row once it is changed

function showRecorded(recorded) {
  start = recorded.start;
  const now = `${recorded.start}/${recorded.hours}`;
  if (now === stretch) return;
  stretch = now;
  for (const chip of bench.querySelectorAll(".chip.recorded")) if (!chip.row) chip.remove();
  const kept = [...bench.querySelectorAll(".chip.recorded")].map((chip) => keyOf(chip.recorded));
  for (const it of recorded.events) {
    if (kept.includes(keyOf(it))) continue;
    const chip = newChip(`recorded ${it.kind}`, it.kind);
    chip.recorded = it;
    chip.setAttribute("aria-describedby", "lanes-help lanes-help-recorded");
    asRecorded(chip);
  }
}

const keyOf = (it) => `${it.kind}/${it.day}/${it.at}`;
const kindOf = (kind) => document.querySelector(`template[data-row="${kind}"]`).content.firstElementChild.dataset;

function asRecorded(chip) {
  const it = chip.recorded, kind = kindOf(it.kind), amount = tell("amount", { amount: it.amount, unit: kind.unit });
  draw(chip, minutes(it.at, it.day), kind.title, clockOf(it.at, it.day), amount);
  chip.classList.remove("gone");
}

// The row of a mark; that of a recorded event is made now, and its own day is tried alone.
function rowOf(chip) {
  if (chip.row) return chip.row;
  const it = chip.recorded, amount = kindOf(it.kind).amount;
  onlyDay(start);
  const values = { at: it.at, day: it.day, to: it.at, to_day: it.day, [amount]: it.amount };
  const row = addRow(it.kind, values, events, chip);
  field(row, "at").readOnly = true;
  field(row, "day").disabled = true;
  chip.classList.add("changed");
  changed();
  return row;
}

function letGo(row) {
  const chip = row.chip;
  if (!chip) return;
  chip.row = null;
  if (!chip.recorded) { chip.remove(); return; }
  chip.classList.remove("changed");
  asRecorded(chip);
}

function onlyDay(day) {
  const choice = find("day");
  if (choice.value !== "") return;
  if (![...choice.options].some((one) => one.value === day)) choice.add(new Option(day, day));
  choice.value = day;
}

function putBack(unwanted) {
  const rows = [...events.querySelectorAll('.row[data-recorded="yes"]')].filter(unwanted);
  for (const row of rows) { letGo(row); row.remove(); }
  if (rows.length) moved = words.put_back;
}

function addRecorded(kind) {
  const chip = [...bench.querySelectorAll(`.chip.recorded.${kind}`)].find((one) => !one.row);
  if (chip) whenOf(rowOf(chip)).focus(); else say(words.nothing_recorded);
}

// Questions and answers

function changed() {
  for (const row of events.querySelectorAll(".row")) if (row.chip) place(row);
  find("answer").classList.add("stale");
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

async function ask() {
  if (asking) { again = true; return; }
  asking = true;
  again = false;
  const slow = setTimeout(() => say(words.making), SLOW_MS);
  const told = await post(bench.dataset.try, collect());
  clearTimeout(slow);
  asking = false;
  if (again) { ask(); return; }
  if (told && told.error) complain(told.error); else if (told) show(told);
}

async function post(path, question) {
  const headers = { "Content-Type": "application/json", "X-Insula-Secret": bench.dataset.secret };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(question) });
    return await answer.json();
  } catch {
    say(words.gone);
    find("answer").classList.add("stale");
    return null;
  }
}

function show(told) {
  const open = [...bench.querySelectorAll("#answer details[open]")].map((one) => one.id);
  find("chart").innerHTML = told.chart;
  find("answer").innerHTML = told.answer;
  for (const id of open) if (find(id)) find(id).open = true;
  find("answer").classList.remove("stale");
  clearErrors();
  showRecorded(told.recorded);
  say(moved ? tell("said", { chip: moved, answer: told.said }) : told.said);
  moved = "";
}

function complain(error) {
  clearErrors();
  const box = find("error"), place = error.place || {};
  box.textContent = `${error.found} ${error.remedy}`.trim();
  box.hidden = false;
  const row = (sent[place.kind] || [])[place.number - 1];
  if (row) {
    const wrong = field(row, place.field) || field(row, row.dataset.amount) || row.querySelector("[data-field]");
    wrong.setAttribute("aria-invalid", "true");
    wrong.setAttribute("aria-describedby", "error");
  }
  say(words.refused);
}

function clearErrors() {
  find("error").hidden = true;
  find("error").textContent = "";
  for (const input of bench.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
}

function say(words) {
  if (find("live").textContent !== words) find("live").textContent = words;
}

// The search

async function plan() {
  const button = find("plan");
  button.disabled = true;
  find("planned").textContent = words.searching;
  const told = await post(bench.dataset.plan, { correction_factor: find("factor").value.trim() });
  button.disabled = false;
  if (!told || told.error) { find("planned").textContent = told ? `${told.error.found} ${told.error.remedy}` : ""; return; }
  find("planned").innerHTML = told.planned;
  const take = find("take");
  if (take) take.addEventListener("click", () => putOnBench(JSON.parse(take.dataset.scenario)));
}

function putOnBench(scenario) {
  for (const row of [...settings.querySelectorAll(".row")]) if (row.dataset.kind in scenario) row.remove();
  for (const [kind, parts] of Object.entries(scenario)) {
    for (const part of [parts].flat()) addRow(kind, part, settings);
  }
  changed();
}

for (const row of settings.querySelectorAll(".row")) ready(row);
for (const button of document.querySelectorAll("[data-add]")) {
  button.addEventListener("click", () => { addRow(button.dataset.add).querySelector("input").focus(); changed(); });
}
find("add-other").addEventListener("click", () => {
  const kind = find("other").value;
  if (kindOf(kind).recorded) addRecorded(kind); else addRow(kind).querySelector("input, select").focus();
  changed();
});
find("day").addEventListener("input", () => putBack(() => true));
find("hours").addEventListener("input", () => {
  putBack((row) => Math.max(minuteOf(row), minutes(field(row, "at").value, field(row, "day").value)) >= 60 * hours());
});
for (const id of ["name", "hours", "day", "factor"]) find(id).addEventListener("input", changed);
find("form").addEventListener("submit", (event) => { event.preventDefault(); changed(); });
find("plan").addEventListener("click", plan);
ask();
