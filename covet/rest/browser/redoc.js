// Starts ReDoc in the reader's light or dark; search is off, since it would need a worker made of inline code.
(() => {
  const { url } = document.currentScript.dataset;
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const colors = dark
    ? {
        primary: { main: "#8ab4f8" },
        success: { main: "#81c995" },
        error: { main: "#f28b82" },
        warning: { main: "#fdd663" },
        text: { primary: "#e8eaed", secondary: "#bdc1c6" },
        border: { dark: "#5f6368", light: "#3c4043" },
      }
    : {};
  const theme = dark
    ? {
        colors,
        sidebar: { backgroundColor: "#202124", textColor: "#e8eaed" },
        rightPanel: { backgroundColor: "#111315" },
        schema: { nestedBackground: "#202124", typeNameColor: "#bdc1c6", typeTitleColor: "#bdc1c6" },
      }
    : {};
  window.Redoc.init(url, { disableSearch: true, hideDownloadButton: false, theme }, document.getElementById("docs"));
})();
