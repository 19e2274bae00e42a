import "../elements/keys-page.js";
