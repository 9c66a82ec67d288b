// The control of a discrete code: categories to choose and to blend.

import { alert, make } from "./page.js";
import { setValue, state } from "./state.js";
import { stop } from "./traversals.js";

const MOST_BUTTONS = 40; // categories; more of them are chosen by number

// A choice of one category: buttons, or a number where there are too many.
function chooser(code, part, choose) {
  if (code.categories > MOST_BUTTONS) {
    const input = make("input", { type: "number", min: 0, max: code.categories - 1, step: 1 });
    input.onchange = () => {
      const valid = input.checkValidity() && input.value !== "";
      alert(valid ? "" : `A category is a whole number from 0 to ${code.categories - 1}.`);
      if (valid) choose(Number(input.value));
    };
    return { box: input, show: (category) => { input.value = category; } };
  }
  const inputs = Array.from({ length: code.categories }, (_, category) => {
    const input = make("input", { type: "radio", name: `${code.name} ${part}`, value: category });
    input.setAttribute("aria-label", `category ${category}${code.labels[category] ? `, label ${code.labels[category]}` : ""}`);
    input.onchange = () => choose(category);
    return input;
  });
  const box = make("div", { className: "categories", role: "radiogroup" }, ...inputs.map((input, category) => {
    const label = code.labels[category], title = label && `Category ${category}; among labeled images, ${label} fits best`;
    return make("label", title ? { title } : {}, input, String(category), ...(label ? [make("small", { textContent: `≈ ${label}` })] : []));
  }));
  return { box, show: (category) => { inputs[category].checked = true; } };
}

export function categoriesOf(code) {
  const value = () => state.values[code.name];
  const first = chooser(code, "category", (category) => { stop(); setValue(code.name, { ...value(), category }); });
  const second = chooser(code, "blend", (other) => { stop(); setValue(code.name, { ...value(), other }); });
  const share = make("input", { type: "range", min: 0, max: 1, step: 0.01 });
  share.oninput = () => { stop(); setValue(code.name, { ...value(), mix: Number(share.value) }); };
  const text = make("span"), blend = make("div", {}, second.box, make("div", { className: "blend" }, share, text));
  const open = make("button", { className: "small", textContent: "Blend" });
  const toggle = (shown) => { blend.hidden = !shown; open.setAttribute("aria-pressed", shown); };
  open.onclick = () => {
    stop();
    if (!blend.hidden) {
      toggle(false);
      setValue(code.name, { ...value(), mix: 0 });
    } else {
      toggle(true);
      setValue(code.name, { category: value().category, other: (value().category + 1) % code.categories, mix: 0.5 });
    }
  };
  toggle(false);
  return {
    parts: [first.box, blend],
    buttons: [open],
    show: ({ category, other, mix }, whole) => {
      first.show(category);
      second.show(other);
      share.value = mix;
      text.textContent = `${Math.round((1 - mix) * 100)}% ${category}, ${Math.round(mix * 100)}% ${other}`;
      if (mix > 0 || whole) toggle(mix > 0);
    },
    label: (name) => {
      first.box.setAttribute("aria-label", name);
      second.box.setAttribute("aria-label", `${name}, blended with`);
      share.setAttribute("aria-label", `share of the second category of ${name}`);
    },
  };
}
