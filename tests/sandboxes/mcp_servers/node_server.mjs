// The smallest MCP server in JavaScript: one tool, no packages.
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";

const data = process.argv[2];
const tool = {
  name: "echo",
  description: "Say it again.",
  inputSchema: { type: "object", properties: { text: { type: "string" } } },
};

function answer({ method, params }) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "node", version: "0" },
      };
    case "tools/list":
      return { tools: [tool] };
    case "tools/call": {
      const text = `${params.arguments.text}: ${readdirSync(data).join(" ")}`;
      return { content: [{ type: "text", text }] };
    }
    default:
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.id !== undefined) {
    console.log(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: answer(message) }));
  }
}
