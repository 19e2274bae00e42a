import "../elements/agents-page.js";
