/** Dark, as in a reading room, or light; the reader's choice is kept. */

const KEY = "cmr-theme";

/** Set the theme as the reader left it. */
export function restoreTheme(): void {
  document.documentElement.dataset["theme"] = localStorage.getItem(KEY) === "light" ? "light" : "dark";
}

export function switchTheme(): void {
  const theme = document.documentElement.dataset["theme"] === "light" ? "dark" : "light";
  document.documentElement.dataset["theme"] = theme;
  localStorage.setItem(KEY, theme);
}
