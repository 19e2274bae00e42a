import "../elements/routes-page.js";
