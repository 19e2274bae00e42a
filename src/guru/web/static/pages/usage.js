import "../elements/usage-page.js";
