// Starts Scalar; nothing of it asks another server: no fonts, no proxy, no telemetry.
(() => {
  const { url, csrfCookie, csrfHeader } = document.currentScript.dataset;
  const cookie = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
  };

  window.Scalar.createApiReference("#docs", {
    url,
    withDefaultFonts: false,
    hideClientButton: true,
    telemetry: false,
    showSidebar: true,
    onBeforeRequest: ({ request }) => {
      const token = cookie(csrfCookie);
      if (token && !["GET", "HEAD", "OPTIONS"].includes(request.method)) request.headers.set(csrfHeader, token);
    },
  });
})();
