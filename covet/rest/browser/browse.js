// Sends the form of an endpoint's page as JSON and shows the answer.
(() => {
  const form = document.getElementById("send");
  form.hidden = false;
  const shown = form.querySelector("output pre");

  const cookie = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { method, body } = form.elements;
    if (method.value === "DELETE" && !window.confirm("Delete this?")) return;
    const headers = { Accept: "application/json" };
    const token = cookie(form.dataset.csrfCookie);
    if (token) headers[form.dataset.csrfHeader] = token;
    const options = { method: method.value, headers };
    if (method.value !== "DELETE" || body.value.trim()) {
      headers["Content-Type"] = "application/json";
      options.body = body.value;
    }
    try {
      const answer = await fetch(window.location.pathname, options);
      let text = await answer.text();
      try {
        text = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        // Not JSON: shown as it came.
      }
      shown.textContent = `${answer.status} ${answer.statusText}\n\n${text}`;
    } catch (error) {
      shown.textContent = `The request could not be sent: ${error.message}`;
    }
  });
})();
