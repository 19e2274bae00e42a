import "../elements/teams-page.js";
