import "../elements/memory-page.js";
