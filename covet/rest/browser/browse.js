// Sends the form of an endpoint's page as JSON and shows the answer.
(() => {
  const form = document.getElementById("send");
  form.hidden = false;
  const shown = form.querySelector("output pre");

  const cookie = (name) => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
  };

  const { method, body } = form.elements;
  // Each method begins with a body of its own; what somebody wrote stays, since it goes before a default.
  const begin = () => {
    body.defaultValue = method.selectedOptions[0].dataset.body;
  };
  method.addEventListener("change", begin);
  begin();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
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
