import "../elements/document-page.js";
