import "../elements/run-page.js";
