import "../elements/chunking-page.js";
