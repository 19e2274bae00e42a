import "../elements/prompts-page.js";
