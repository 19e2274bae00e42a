import "../elements/collection-page.js";
