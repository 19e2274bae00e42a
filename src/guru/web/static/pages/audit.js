import "../elements/audit-page.js";
