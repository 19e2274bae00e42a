import "../elements/prompt-page.js";
