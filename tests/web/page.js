/* What tests call in the page. */

window.packed = (values) => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let text = "";
  for (let place = 0; place < bytes.length; place += 32768) {
    text += String.fromCharCode(...bytes.subarray(place, place + 32768));
  }
  return btoa(text);
};

window.pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Milliseconds from a key to its voice in the audio thread. */
window.keyToSound = async (pitch) => {
  const start = performance.now();
  const id = nsynthPad.player.noteOn(pitch, 100);
  while (!nsynthPad.sounding.has(id)) await pause(0);
  nsynthPad.player.noteOff(pitch);
  return nsynthPad.sounding.get(id) - start;
};

window.decodeMany = async (count) => {
  for (let index = 0; index < count; index++) {
    await nsynthPad.engine.note(nsynthPad.pad.request(30 + (index % 60), 1 + (index % 127)));
  }
};

/** The longest time between two calls of the page's timer while notes are decoded. */
window.worstGap = async (count) => {
  let [worst, last, running] = [0, performance.now(), true];
  const tick = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    if (running) setTimeout(tick, 0);
  };
  tick();
  for (let index = 0; index < count; index++) await nsynthPad.engine.decode(nsynthPad.pad.z(), 40 + index, 100);
  running = false;
  return worst;
};

/** Controls that are outside of the window, cut off, or over one another. */
window.layoutProblems = () => {
  const selector = "button:not(.key), select, input:not([type=file]), legend, output, h1, #status, .slider span, label.file";
  const seen = [...document.querySelectorAll(selector)].filter((one) => one.offsetParent && one.offsetWidth);
  const title = (one) => one.id || one.textContent || one.getAttribute("aria-label");
  const problems = [];
  for (const one of seen) {
    const box = one.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth + 0.5) problems.push(`${title(one)}: outside`);
    const scrolls = one.matches("select, input");
    if (!scrolls && one.clientWidth && one.scrollWidth > one.clientWidth + 1) problems.push(`${title(one)}: cut off`);
    for (const other of seen) {
      if (one === other || one.contains(other) || other.contains(one)) continue;
      const next = other.getBoundingClientRect();
      const across = Math.min(box.right, next.right) - Math.max(box.left, next.left);
      const down = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
      if (across > 1 && down > 3) problems.push(`${title(one)} over ${title(other)}`);
    }
  }
  return problems;
};

/** Controls that a screen reader would have no name for. */
window.unnamed = () => {
  const named = (one) =>
    one.getAttribute("aria-label") || one.labels?.length || one.textContent.trim() || one.closest("label, details");
  return [...document.querySelectorAll("button, select, input, canvas, [role=slider], [role=group]")]
    .filter((one) => !named(one))
    .map((one) => one.outerHTML.slice(0, 120));
};

/** A MIDI keyboard for browsers that have none connected. */
window.connectTestKeys = () => {
  const input = Object.assign(new EventTarget(), {
    id: "1",
    type: "input",
    name: "Test keys",
    manufacturer: "",
    state: "connected",
    connection: "open",
    open: async () => input,
    close: async () => input,
  });
  const ports = { inputs: new Map([["1", input]]), outputs: new Map(), sysexEnabled: false };
  const access = Object.assign(new EventTarget(), ports);
  navigator.requestMIDIAccess = async () => access;
  window.sendMidi = (...data) => {
    const event = Object.assign(new Event("midimessage"), { data: Uint8Array.from(data) });
    input.dispatchEvent(event);
    input.onmidimessage?.(event);
  };
};
