/** Colours for code, loaded when the first code block appears, one language at a time. */

const LANGUAGES = new Set(
  ("bash c cpp csharp css diff dockerfile go http ini java javascript json kotlin makefile markdown php plaintext " +
    "python ruby rust shell sql swift typescript xml yaml").split(" "),
);
/** @type {Record<string, string>} */
const ALIASES = { sh: "bash", zsh: "bash", console: "shell", js: "javascript", ts: "typescript", py: "python", html: "xml", svg: "xml", yml: "yaml", md: "markdown", toml: "ini", "c++": "cpp", cs: "csharp", rb: "ruby", rs: "rust", kt: "kotlin" };

/**
 * Colour a `<code class="language-...">`. Does nothing for a language that is not known.
 * @param {HTMLElement} code
 */
export async function highlight(code) {
  const named = /language-([\w+#-]+)/.exec(code.className)?.[1]?.toLowerCase() ?? "";
  const language = ALIASES[named] ?? named;
  if (!LANGUAGES.has(language)) return;
  const [{ default: core }, { default: grammar }] = await Promise.all([
    import("./vendor/highlight/core.js"),
    import(`./vendor/highlight/languages/${language}.js`),
  ]);
  if (!core.getLanguage(language)) core.registerLanguage(language, grammar);
  // highlight.js escapes the code that it marks: its output holds spans with classes and nothing else.
  code.innerHTML = core.highlight(code.textContent ?? "", { language }).value;
}
