/** What every page has: the theme button, the list of shortcuts, the confirmation dialog. */

import "../elements/confirm-dialog.js";
import "../elements/shortcuts-dialog.js";
import { post } from "../api.js";

const root = document.documentElement;

document.getElementById("toggle-theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("guru.theme", root.dataset.theme);
  } catch {
    // Not remembered, but shown.
  }
});

document.getElementById("log-out")?.addEventListener("click", async () => {
  try {
    await post("/logout");
  } catch {
    // Whether it was heard or not: the page of the login says what is the matter.
  }
  location.assign("/login");
});

// On a narrow screen the row of pages can be pushed: show the one that is open.
document.querySelector(".site-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
