// Comfort only: the page says everything without it. Theme, tooltips, sorting, copying.
"use strict";

// Theme: follows the system until chosen otherwise. Storage may be refused to local files.
const themes = ["auto", "light", "dark"];
const themeButton = document.getElementById("theme");
const stored = () => { try { return localStorage.getItem("demix-theme"); } catch { return null; } };
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = `theme: ${theme}`;
  themeButton.dataset.now = theme;
  try { localStorage.setItem("demix-theme", theme); } catch { /* not kept */ }
}
themeButton.hidden = false;
themeButton.addEventListener("click", () =>
  setTheme(themes[(themes.indexOf(themeButton.dataset.now) + 1) % themes.length]));
setTheme(themes.includes(stored()) ? stored() : "auto");

// Tooltips: the <title> of a mark, shown at once and styled.
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("svg title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
function showTip(event) {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
  tip.style.left = `${Math.max(8, x)}px`;
  tip.style.top = `${below ? event.clientY + 18 : event.clientY - tip.offsetHeight - 10}px`;
}
document.addEventListener("pointermove", showTip);
document.addEventListener("pointerdown", showTip);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// The same reference lights up in every panel and in the table.
function light(event) {
  const key = event.target.closest("[data-key]")?.dataset.key;
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  if (key === undefined) return;
  for (const other of document.querySelectorAll("[data-key]")) {
    if (other.dataset.key === key) other.classList.add("lit");
  }
}
document.addEventListener("pointerover", light);

// Sorting: numbers by value (with their unit), words by alphabet.
const factors = { k: 1e3, M: 1e6, B: 1e9, T: 1e12, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };
function valueOf(cell) {
  const text = cell.textContent.trim().replace("−", "-").replace("<", "");
  const match = text.match(/^(-?[\d.]+)\s*([kMBT]B?(?![a-z]))?/);
  return match ? parseFloat(match[1]) * (factors[match[2]] ?? 1) : text === "–" ? -Infinity : text.toLowerCase();
}
function sortBy(table, column, header) {
  const direction = header.getAttribute("aria-sort") === "descending" ? 1 : -1;
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[column]), row]);
  rows.sort(([a], [b]) => direction * (typeof a === typeof b ? (a > b) - (a < b) : typeof a === "string" ? 1 : -1));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (!header.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column, header));
    header.append(button);
  });
}

// Copying.
for (const box of document.querySelectorAll(".copyable")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    const code = box.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);  // to be copied by hand
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  box.append(button);
}

// Everything is unfolded on paper.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.unfolded = "";
  }
});
addEventListener("afterprint", () => {
  for (const unfolded of document.querySelectorAll("details[data-unfolded]")) unfolded.open = false;
});
