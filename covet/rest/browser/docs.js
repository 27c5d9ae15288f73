// Starts Swagger UI; what it needs to know stands on the script's own element, so that nothing is inline.
(() => {
  const { url, csrfCookie, csrfHeader } = document.currentScript.dataset;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  paint();
  dark.addEventListener("change", paint);

  const cookie = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
  };

  window.SwaggerUIBundle({
    url,
    dom_id: "#docs",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: false,
    validatorUrl: null,
    requestInterceptor: (request) => {
      const token = cookie(csrfCookie);
      if (token && !["GET", "HEAD", "OPTIONS"].includes((request.method || "GET").toUpperCase())) {
        request.headers[csrfHeader] = token;
      }
      return request;
    },
  });
})();
