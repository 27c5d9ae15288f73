// The peer Express: `node express_app.js PORT`, with express to be found by NODE_PATH. It types nothing.
const express = require("express");

const objects = Array.from({ length: 100 }, (_, number) => ({
  id: number,
  name: `Name ${number}`,
  email: `user${number}@example.com`,
  active: number % 2 === 0,
  score: number / 7,
  tags: ["a", "b"],
  note: null,
  items: [{ sku: `x-${number}`, count: number, price: 9.5 }],
}));

const app = express();
app.disable("x-powered-by");
app.get("/json", (_request, response) => response.json({ message: "Hello, World!" }));
app.post("/order", express.json(), (request, response) => response.json(request.body));
app.get("/objects", (_request, response) => response.json(objects));
app.listen(Number(process.argv[2]), "127.0.0.1");
