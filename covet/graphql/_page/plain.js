// The plain page: one query at a time.
"use strict";
(function () {
  const data = document.getElementById("start").dataset;
  const form = document.getElementById("form");
  const answer = document.getElementById("answer");

  async function run(event) {
    event.preventDefault();
    const variables = document.getElementById("variables").value.trim();
    const headers = { "content-type": "application/json", accept: "application/graphql-response+json, application/json" };
    headers[data.csrfHeader] = data.csrfToken;
    try {
      const body = { query: document.getElementById("query").value, variables: variables ? JSON.parse(variables) : null };
      const response = await fetch(data.endpoint, {
        method: "POST", headers: headers, credentials: "same-origin", body: JSON.stringify(body),
      });
      answer.textContent = JSON.stringify(await response.json(), null, 2);
    } catch (error) {
      answer.textContent = String(error);
    }
  }

  const shared = new URLSearchParams(location.search);
  for (const name of ["query", "variables"]) {
    if (shared.get(name)) document.getElementById(name).value = shared.get(name);
  }
  form.addEventListener("submit", run);
  form.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
})();
