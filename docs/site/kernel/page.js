// The box on the first page: starts the kernel in a worker, asks it to dial, and draws where its source port goes.
const box = document.getElementById("page-kernel");
const part = (name) => box.querySelector(`[data-${name}]`);
const here = new URL(".", import.meta.url);
const SILENCE = 120_000; // milliseconds without a word, after which the kernel is taken to hang
const TRIES = 100_000;
const count = (number) => number.toLocaleString("en-US");
const say = (text) => { part("status").textContent = text; };

let worker = null;
let manifest = null;
let watch = 0;
let run = null; // {port, low, high, ports, began}
const printed = [];

function end(reason) {
  clearTimeout(watch);
  worker?.terminate();
  worker = null;
  run = null;
  part("progress").hidden = true;
  part("start").disabled = false;
  part("start").hidden = part("weight").hidden = false;
  part("form").hidden = part("talk").hidden = true;
  const last = printed.slice(-3).join(" / ");
  say(`${reason}${last ? ` Its last lines: ${last}` : ""} Press Start to begin again.`);
}

function expect() {
  clearTimeout(watch);
  watch = setTimeout(() => end("The kernel has said nothing for two minutes and is ended."), SILENCE);
}

function order(line) {
  worker.postMessage({ order: line });
  expect();
}

async function start() {
  part("start").disabled = true;
  printed.length = 0;
  say("Loading ...");
  try {
    worker = new Worker(new URL("worker.js", here), { type: "module" });
  } catch (error) {
    return end(`This browser starts no worker (${error.message}).`);
  }
  worker.onmessage = ({ data }) => heard[data.what](data.value);
  worker.onerror = (event) => end(`The worker failed: ${event.message || "it could not be loaded"}.`);
  part("progress").hidden = false;
  worker.postMessage({ boot: manifest.files });
  expect();
}

const heard = {
  loaded(share) {
    part("progress").value = share;
    expect();
  },
  booting() {
    part("progress").removeAttribute("value");
    part("said").hidden = false;
    say("The kernel starts ...");
  },
  console(line) {
    printed.push(line.trim());
    part("console").textContent += `${line}\n`;
    if (line.includes("Kernel panic")) end("The kernel stopped.");
  },
  failed(reason) {
    end(`The kernel cannot be had: ${reason}.`);
  },
  line(text) {
    const [word, ...rest] = text.split(" ");
    told[word]?.(...rest);
  },
};

const told = {
  ready(release) {
    clearTimeout(watch);
    part("progress").hidden = true;
    part("start").hidden = part("weight").hidden = true;
    part("form").hidden = part("real").hidden = false;
    part("kernel").textContent = `Linux ${release}, ${manifest.kernel}`;
    dial();
  },
  ports(...numbers) {
    expect();
    run.ports.push(...numbers.map(Number));
    say(`${count(run.ports.length)} tries, all refused ...`);
    requestAnimationFrame(draw);
  },
  connected(tries, own, peer) {
    clearTimeout(watch);
    run.ports.push(run.port);
    finish();
    say(`Connected to itself at try ${count(Number(tries))}, ${seconds()} s after it began.`);
    part("names").textContent = `this end: ${own}   other end: ${peer}`;
    part("names").hidden = part("talk").hidden = false;
    part("heard").textContent = "";
  },
  "gave-up"(tries, ...why) {
    clearTimeout(watch);
    if (run === null || run.done) return say(why.join(" "));
    finish();
    const reason = why.join(" ");
    say(`No self-connection in ${count(Number(tries))} tries${reason === "stopped" ? ", then you stopped it" : ""}. ${because(reason)}`);
  },
  heard(...words) {
    clearTimeout(watch);
    part("heard").textContent = `read back: ${words.join(" ")}`;
  },
};

const seconds = () => ((performance.now() - run.began) / 1000).toFixed(1);

function finish() {
  run.done = true;
  part("stop").disabled = true;
  part("dial").disabled = false;
  draw();
}

function because(reason) {
  const { port, low, high } = run;
  if (port < low || port > high) return `The kernel picks source ports from ${low} to ${high} only; ${port} is none of them.`;
  if ((port - low) % 2) return `While ports are free this kernel picks every second port, ${low}, ${low + 2}, and so on; ${port} is none of them.`;
  return reason === "tries" ? "By chance: dial again." : "";
}

// What is typed, or one line that says what is allowed.
function wanted() {
  const form = part("form");
  const port = form.port.value.trim();
  const [, low, high] = /^(\d{1,5})-(\d{1,5})$/.exec(form.range.value.trim()) ?? [];
  if (!/^\d{1,5}$/.test(port) || +port < 1 || +port > 65535) throw new Error(`port '${port}': give a number from 1 to 65535`);
  if (!(low && +low >= 1024 && +low <= +high && +high <= 65535)) {
    throw new Error(`ephemeral ports '${form.range.value}': give low-high, from 1024 to 65535, such as 40000-40099`);
  }
  return { port: +port, low: +low, high: +high };
}

function dial() {
  if (run && !run.done) return;
  try {
    run = { ...wanted(), ports: [], began: performance.now(), done: false };
  } catch (error) {
    return say(error.message);
  }
  part("names").hidden = part("talk").hidden = true;
  part("walk").hidden = part("stop").disabled = false;
  part("dial").disabled = true;
  say("It dials ...");
  order(`dial ${run.port} ${run.low} ${run.high} ${TRIES}`);
}

// The source port of each try, and the port that is dialled as a line.
function draw() {
  if (run === null) return;
  const canvas = part("walk");
  const { width } = canvas.getBoundingClientRect();
  const height = 260;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const look = getComputedStyle(box);
  const ink = look.color;
  pen.font = `13px ${look.fontFamily}`;
  const [left, right, top, bottom] = [58, width - 10, 14, height - 40];
  const most = Math.max(20, run.ports.length);
  const from = Math.min(run.low, run.port);
  const to = Math.max(run.high, run.port, from + 1);
  const x = (index) => left + ((index + 1) / most) * (right - left);
  const y = (port) => bottom - ((port - from) / (to - from)) * (bottom - top);
  pen.strokeStyle = pen.fillStyle = ink;
  pen.globalAlpha = 0.35;
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.globalAlpha = 1;
  pen.textAlign = "right";
  for (const port of new Set([from, to])) pen.fillText(port, left - 6, y(port) + 4);
  pen.textAlign = "center";
  pen.fillText(`try (0 to ${count(most)})`, (left + right) / 2, height - 14);
  pen.fillStyle = pen.strokeStyle = look.getPropertyValue("--page-kernel-goal");
  pen.beginPath();
  pen.moveTo(left, y(run.port));
  pen.lineTo(right, y(run.port));
  pen.stroke();
  pen.textAlign = "left";
  pen.fillText(`${run.port}, dialled`, left + 6, y(run.port) > top + 20 ? y(run.port) - 5 : y(run.port) + 15);
  pen.fillStyle = look.getPropertyValue("--page-kernel-walk");
  const size = run.ports.length > 2000 ? 1.4 : 3;
  run.ports.forEach((port, index) => pen.fillRect(x(index) - size / 2, y(port) - size / 2, size, size));
  const met = run.ports.at(-1) === run.port;
  if (met) {
    pen.fillStyle = look.getPropertyValue("--page-kernel-goal");
    pen.beginPath();
    pen.arc(x(run.ports.length - 1), y(run.port), 5, 0, 7);
    pen.fill();
  }
  canvas.setAttribute("aria-label", `Source port against try: ${count(run.ports.length)} tries between ports ${run.low} and `
    + `${run.high}; ${met ? `the last one meets ${run.port}, the port it dials` : `none meets ${run.port}`}.`);
}

async function begin() {
  if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
    part("start").disabled = true;
    return say("This browser has no WebAssembly, or no workers, so no kernel can run in it.");
  }
  try {
    manifest = await (await fetch(new URL("kernel.json", here))).json();
  } catch {
    part("start").disabled = true;
    return say("The kernel is not beside this page. (From a folder, not from a server, a browser loads nothing.)");
  }
  part("weight").textContent = `(${(manifest.bytes / 1e6).toFixed(1)} MB are loaded, and nothing before)`;
  part("start").addEventListener("click", start);
  part("stop").addEventListener("click", () => order("stop"));
  part("form").addEventListener("submit", (event) => { event.preventDefault(); dial(); });
  part("talk").addEventListener("submit", (event) => {
    event.preventDefault();
    order(`say ${part("talk").text.value.replace(/[^\x20-\x7e]/g, "?") || " "}`);
  });
  for (const button of box.querySelectorAll("[data-try]")) {
    button.addEventListener("click", () => {
      [part("form").port.value, part("form").range.value] = button.dataset.try.split(" ");
      dial();
    });
  }
  new ResizeObserver(draw).observe(box);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

begin();
