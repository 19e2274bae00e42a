import "../elements/collections-page.js";
