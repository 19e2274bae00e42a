import "../elements/users-page.js";
