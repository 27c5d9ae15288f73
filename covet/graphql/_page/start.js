// Starts GraphiQL on this project's schema: queries by fetch with the CSRF token, subscriptions by graphql-transport-ws.
"use strict";
(function () {
  const data = document.getElementById("start").dataset;

  async function post(params, options) {
    const headers = { "content-type": "application/json", accept: "application/graphql-response+json, application/json" };
    headers[data.csrfHeader] = data.csrfToken;
    Object.assign(headers, options && options.headers);
    const answer = await fetch(data.endpoint, {
      method: "POST", headers: headers, credentials: "same-origin", body: JSON.stringify(params),
    });
    return answer.json();
  }

  function subscribe(params) {
    return {
      subscribe: function (sink) {
        const url = new URL(data.endpoint, location.href);
        url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
        const socket = new WebSocket(url, "graphql-transport-ws");
        let ended = false;
        function end(error) {
          if (ended) return;
          ended = true;
          if (error) sink.error(error); else sink.complete();
          socket.close(1000);
        }
        socket.onopen = function () { socket.send(JSON.stringify({ type: "connection_init" })); };
        socket.onclose = function (event) { end(event.code === 1000 ? null : new Error("The connection was closed: " + event.code + " " + event.reason)); };
        socket.onmessage = function (event) {
          const message = JSON.parse(event.data);
          if (message.type === "connection_ack") socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: params }));
          else if (message.type === "ping") socket.send(JSON.stringify({ type: "pong" }));
          else if (message.type === "next") sink.next(message.payload);
          else if (message.type === "error") { sink.next({ errors: message.payload }); end(null); }
          else if (message.type === "complete") end(null);
        };
        return { unsubscribe: function () { ended = true; socket.close(1000); } };
      },
    };
  }

  function isSubscription(params, options) {
    const parsed = options && options.documentAST;
    if (!parsed) return false;
    return parsed.definitions.some(function (definition) {
      return definition.kind === "OperationDefinition" && definition.operation === "subscription" &&
        (!params.operationName || (definition.name && definition.name.value === params.operationName));
    });
  }

  function fetcher(params, options) {
    return isSubscription(params, options) ? subscribe(params) : post(params, options);
  }

  const shared = new URLSearchParams(location.search);
  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher: fetcher,
      defaultEditorToolsVisibility: true,
      query: shared.get("query") || undefined,
      variables: shared.get("variables") || undefined,
    })
  );
})();
