import "../elements/workflows-page.js";
