// Node's http server, as its documentation begins: it knows nothing of its end.
import http from "node:http";

http
  .createServer((request, response) => {
    if (request.url !== "/echo") {
      response.end("hello world");
      return;
    }
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => response.end(Buffer.concat(pieces)));
  })
  .listen(process.env.PORT, "127.0.0.1");
