// What every control builds on: elements of the page, what is said on it, and actions that may fail or be asked for again.

export const element = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function alert(message) {
  element("alert").textContent = message;
  element("alert").hidden = !message;
}

export function say(message) {
  element("status").textContent = message;
}

// Runs what a control asks for; a failure is said on the page.
export const safely = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    alert(error.message);
  }
};

// Runs an action that draws, never twice at once; asked for again meanwhile, it runs once more, for what is newest then.
export function newest(action) {
  let running = false, again = false;
  return safely(async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await action();
      }
    } finally {
      running = false;
    }
  });
}
