// What every page gets if scripts run: copy buttons, print, dropping files, live
// progress. Without it everything still works.

const said = document.createElement("p");
said.className = "sr";
said.setAttribute("role", "status");
document.body.append(said);

/** Copies text and says so on the button and to screen readers. */
async function copy(button, text) {
  const was = button.innerHTML;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    said.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    said.textContent = "Copying was refused: select the text and press Ctrl+C";
  }
  setTimeout(() => { button.innerHTML = was; said.textContent = ""; }, 2000);
}

function wire(within) {
  for (const button of within.querySelectorAll("[data-copy], [data-copy-from]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const text = button.dataset.copy ?? button.nextElementSibling.textContent;
      copy(button, text);
      const field = button.previousElementSibling;
      if (field instanceof HTMLInputElement) field.select();
    });
  }
}
wire(document);

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Everything is open on paper; afterwards it is as it was.
addEventListener("beforeprint", () => {
  for (const d of document.querySelectorAll("article details:not([open])")) { d.open = true; d.dataset.opened = ""; }
});
addEventListener("afterprint", () => {
  for (const d of document.querySelectorAll("[data-opened]")) { d.open = false; delete d.dataset.opened; }
});

for (const zone of document.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (e) => { e.preventDefault(); zone.classList.add("over"); });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (e) => {
    e.preventDefault();
    zone.classList.remove("over");
    if (!e.dataTransfer.files.length) return;
    input.files = e.dataTransfer.files;
    said.textContent = [...input.files].map((f) => f.name).join(", ");
  });
}

// The summary of a form's errors is where reading goes on.
document.getElementById("errors")?.focus();

for (const box of document.querySelectorAll("[data-events]")) {
  const bar = box.querySelector("progress");
  const told = box.querySelector("[role=status]");
  let first = null, lastTold = 0;
  const events = new EventSource(box.dataset.events);
  events.onmessage = (e) => {
    const s = JSON.parse(e.data);
    const now = Date.now();
    first ??= { now, done: s.done };
    bar.max = Math.max(s.total, 1);
    bar.value = s.done;
    const rate = now > first.now ? ((s.done - first.done) * 1000) / (now - first.now) : 0;
    if (now - lastTold > 2000) { // a screen reader reads each change aloud
      lastTold = now;
      told.querySelector("[data-done]").textContent = s.done.toLocaleString("en");
      told.querySelector("[data-total]").textContent = s.total.toLocaleString("en");
      told.querySelector("[data-rate]").textContent = rate > 0 ? `, ${rate.toFixed(rate < 10 ? 1 : 0)} a second` : "";
    }
  };
  events.addEventListener("end", () => { events.close(); location.reload(); });
}

// What changes by itself says after how many seconds it is to be looked at again. What is
// new is put in its place, and what is open or has the focus stays so.

const changing = () => [...document.querySelectorAll("[data-live]")];
const within = (box, selector) => [...box.querySelectorAll(selector)];

function replace(old, now) {
  const focus = within(old, "a, button, summary").indexOf(document.activeElement);
  const open = within(old, "details").map((d) => d.open);
  old.replaceChildren(...now.childNodes);
  within(old, "details").forEach((d, i) => { d.open = open[i] ?? false; });
  wire(old);
  within(old, "a, button, summary")[focus]?.focus();
}

async function lookAgain() {
  if (document.hidden) return true;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok || answer.redirected) return !answer;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of changing()) {
    const now = fresh.getElementById(old.id);
    if (!now?.dataset.live) delete old.dataset.live;
    if (now && now.textContent !== old.textContent) replace(old, now);
  }
  dispatchEvent(new Event("looked-again"));
  return changing().length > 0;
}

if (changing().length) {
  const turn = () => setTimeout(async () => { if (await lookAgain()) turn(); }, 1000 * Number(changing()[0].dataset.live));
  turn();
}
