import "../elements/chat-page.js";
