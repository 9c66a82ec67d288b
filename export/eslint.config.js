// How the explorer's JavaScript is checked: npm --prefix export run lint

import js from "@eslint/js";
import globals from "globals";

// Properties of the window that are named as a module's own might be: where an import was forgotten, `stop()` would stop the page's loading.
const MISTAKEN = ["alert", "close", "event", "find", "length", "name", "open", "parent", "print", "scroll", "status", "stop", "top"];

export default [
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-restricted-globals": ["error", ...MISTAKEN],
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["web/*.js"], ignores: ["web/worker.js"], languageOptions: { globals: globals.browser } },
  { files: ["web/worker.js"], languageOptions: { globals: globals.worker } },
];
