/** The corners' menus: families, instruments, and sound files that are chosen or dropped. */

import { element } from "./elements.js";
import { evaluate } from "./expression.js";
import { readSound } from "./sound_files.js";

/** In words, in their order. */
const CORNERS = ["top left", "top right", "bottom left", "bottom right"];

/** The four corners. */
export class Corners {
  /** @param {import("./controls.js").Controls} controls */
  constructor(controls) {
    this.controls = controls;
    this.pad = controls.pad;
    for (const box of document.querySelectorAll(".corner")) {
      if (!(box instanceof HTMLElement)) continue;
      const corner = Number(box.dataset.corner);
      const select = document.createElement("select");
      select.setAttribute("aria-label", `Timbre ${CORNERS[corner]}`);
      select.addEventListener("change", () => this.controls.attempt(() => this.set(corner, select.value)));
      const file = document.createElement("label");
      file.className = "file";
      file.title = "Take a sound file as this corner; or drop one on it";
      const input = document.createElement("input");
      input.type = "file";
      input.accept = "audio/*";
      input.setAttribute("aria-label", `Sound file ${CORNERS[corner]}`);
      input.addEventListener("change", () => {
        const chosen = input.files?.[0];
        // The same file can then be chosen once more.
        if (chosen) this.drop(corner, chosen).finally(() => Object.assign(input, { value: "" }));
      });
      file.append("File", input);
      box.append(select, file);
      this.acceptDrops(box, () => corner);
    }
    // On the pad itself the nearest corner is meant.
    const pad = element("pad");
    this.acceptDrops(pad, (event) => {
      const box = pad.getBoundingClientRect();
      return (event.clientX > box.left + box.width / 2 ? 1 : 0) + (event.clientY > box.top + box.height / 2 ? 2 : 0);
    });
    // Beside them, a file must not replace the page.
    for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
  }

  /**
   * @param {HTMLElement} target
   * @param {(event: DragEvent) => number} corner
   */
  acceptDrops(target, corner) {
    target.addEventListener("dragover", (event) => {
      event.preventDefault();
      target.classList.add("over");
    });
    target.addEventListener("dragleave", () => target.classList.remove("over"));
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      target.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.drop(corner(event), file);
    });
  }

  /**
   * Encode a sound file, and make it a corner.
   * @param {number} corner
   * @param {File} file
   */
  drop(corner, file) {
    return this.controls.attempt(async () => {
      this.controls.say(`${file.name}: encoding …`, true);
      const { audio, remarks } = await readSound(file, this.pad.data);
      const z = await this.controls.engine.encode(audio);
      this.pad.names.addFile(file.name, Array.from(z));
      this.pad.setCorner(corner, file.name, z);
      this.controls.say([`${file.name}: ${CORNERS[corner]}`, ...remarks].join("; "), true);
      this.controls.change();
    });
  }

  /**
   * @param {number} corner
   * @param {string} text a name or an expression
   */
  set(corner, text) {
    this.pad.setCorner(corner, text, evaluate(text, this.pad.names));
    this.controls.change();
  }

  /** Show the corners' names. */
  show() {
    for (const [index, select] of document.querySelectorAll(".corner select").entries()) {
      if (select instanceof HTMLSelectElement) this.fill(select, this.pad.corners[index].name);
    }
  }

  /**
   * @param {HTMLSelectElement} select
   * @param {string} name of the corner
   */
  fill(select, name) {
    const { data, names } = this.pad;
    const groups = { Families: Object.keys(data.families), Instruments: Object.keys(data.instruments), Sounds: [...names.files.keys()] };
    /** @type {Record<string, string[]>} */
    const all = { ...(Object.values(groups).some((group) => group.includes(name)) ? {} : { Set: [name] }), ...groups };
    const signature = JSON.stringify(all);
    if (select.dataset.signature !== signature) {
      select.dataset.signature = signature;
      select.replaceChildren(
        ...Object.entries(all).filter(([, group]) => group.length).map(([title, group]) => {
          const options = document.createElement("optgroup");
          options.label = title;
          options.append(...group.map((one) => new Option(one.replaceAll("_", " "), one)));
          return options;
        }),
      );
    }
    select.value = name;
  }
}
