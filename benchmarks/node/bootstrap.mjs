// The loop of a Lambda runtime: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
// AWS's own client for Node has to be compiled; this does as much as a handler here needs.
import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const [file, name] = process.env._HANDLER.split(".");
let handler;
try {
  ({ [name]: handler } = await import(`${process.env.LAMBDA_TASK_ROOT}/${file}.cjs`));
} catch (error) {
  await call("POST", "init/error", JSON.stringify({ errorMessage: String(error), errorType: error.name }));
  process.exit(1);
}
for (;;) {
  const { headers, body } = await call("GET", "invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    await call("POST", `invocation/${id}/response`, JSON.stringify(await handler(JSON.parse(body))));
  } catch (error) {
    const told = JSON.stringify({ errorMessage: String(error), errorType: error.name });
    await call("POST", `invocation/${id}/error`, told);
  }
}
