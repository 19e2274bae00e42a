import "../elements/map-page.js";
