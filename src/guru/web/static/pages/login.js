import "../elements/login-page.js";
