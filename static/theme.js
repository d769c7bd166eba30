// Runs before the page is painted: the theme that was chosen, else the one of the system.
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const chosen = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  const apply = () => {
    const theme = chosen();
    root.dataset.bsTheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
    root.dataset.theme = theme;
  };
  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  window.streamferryTheme = { chosen, apply };
})();
