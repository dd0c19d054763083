// Runs the kernel beside the page, so that the page stays alive. Gets {boot: files} or {order: line}; tells what happens.
import { V86 } from "./libv86.mjs";

const COMMAND_LINE = "console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on acpi=off panic=-1 quiet";
let machine;

const tell = (what, value) => postMessage({ what, value });

async function load({ name, bytes }, more) {
  const answer = await fetch(name).catch((error) => { throw new Error(`${name}: ${error.message}`); });
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  const whole = new Uint8Array(bytes);
  const reader = answer.body.getReader();
  for (let at = 0; ;) {
    const { done, value } = await reader.read();
    if (done) {
      if (at !== bytes) throw new Error(`${name}: ${at} bytes came, not ${bytes}`);
      return whole.buffer;
    }
    if (at + value.length > bytes) throw new Error(`${name}: more than ${bytes} bytes came`);
    whole.set(value, at);
    at += value.length;
    more(value.length);
  }
}

function lines(hear) {
  let line = "";
  return (byte) => {
    if (byte !== 10) line += String.fromCharCode(byte);
    else {
      hear(line);
      line = "";
    }
  };
}

async function boot({ wasm, bios, vga, kernel, initrd }) {
  const files = [wasm, bios, vga, kernel, initrd];
  const all = files.reduce((sum, file) => sum + file.bytes, 0);
  let loaded = 0;
  const more = (bytes) => tell("loaded", (loaded += bytes) / all);
  const [code, ...images] = await Promise.all(files.map((file) => load(file, more)));
  const image = (buffer) => ({ buffer });
  tell("booting", null);
  machine = new V86({
    wasm_fn: async (imports) => (await WebAssembly.instantiate(code, imports)).instance.exports,
    memory_size: 128 << 20,
    vga_memory_size: 2 << 20,
    bios: image(images[0]),
    vga_bios: image(images[1]),
    bzimage: image(images[2]),
    initrd: image(images[3]),
    cmdline: COMMAND_LINE,
    uart1: true,
    autostart: true,
    disable_speaker: true,
    disable_keyboard: true,
    disable_mouse: true,
  });
  machine.add_listener("serial0-output-byte", lines((line) => tell("console", line)));
  machine.add_listener("serial1-output-byte", lines((line) => tell("line", line)));
}

self.onmessage = async ({ data }) => {
  try {
    if (data.boot) await boot(data.boot);
    else machine.serial_send_bytes(1, new TextEncoder().encode(`${data.order}\n`));
  } catch (error) {
    tell("failed", error.message);
  }
};
