import "../elements/traces-page.js";
