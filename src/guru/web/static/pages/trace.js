import "../elements/trace-page.js";
