import { CohereClientV2 } from "cohere-ai";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new CohereClientV2({ token: key, baseUrl: base, maxRetries: 0 });
  const ask = (content) => ({ model, messages: [{ role: "user", content }] });
  const offer = (content) => ({ ...ask(content), tools: [{ type: "function", function: { ...tool, parameters: schema } }] });
  const counts = (usage) => usage && { input: usage.billedUnits.inputTokens, output: usage.billedUnits.outputTokens };
  const text = ({ message }) => (message.content ?? []).map((block) => block.text ?? "").join("");
  const call = ({ function: f }) => ({ name: f.name, args: JSON.parse(f.arguments) });
  return {
    async text(prompt) {
      const response = await client.chat(ask(prompt));
      return { text: text(response), finish: response.finishReason, ...counts(response.usage) };
    },
    async stream(prompt) {
      const saw = { text: "", chunks: 0 };
      for await (const event of await client.chatStream(ask(prompt))) {
        if (event.type === "content-delta") {
          saw.text += event.delta.message.content.text;
          saw.chunks++;
        } else if (event.type === "message-end") {
          if (event.delta.error) throw new Error(event.delta.error); // the SDK itself does not
          Object.assign(saw, { finish: event.delta.finishReason, ...counts(event.delta.usage) });
        }
      }
      return saw;
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const { message, finishReason: finish } = await client.chat(asked);
      const result = { role: "tool", toolCallId: message.toolCalls[0].id, content: "rain" };
      const done = await client.chat({ ...asked, messages: [...asked.messages, message, result] });
      return { calls: message.toolCalls.map(call), finish, text: text(done) };
    },
    async toolStream(prompt) {
      const saw = { calls: [] };
      const begun = [];
      for await (const event of await client.chatStream(offer(prompt))) {
        if (event.type === "tool-call-start") begun.push(event.delta.message.toolCalls);
        if (event.type === "tool-call-delta") begun.at(-1).function.arguments += event.delta.message.toolCalls.function.arguments;
        if (event.type === "message-end") saw.finish = event.delta.finishReason;
      }
      return { ...saw, calls: begun.map(call) };
    },
    async schema(prompt) {
      const response = await client.chat({ ...ask(prompt), responseFormat: { type: "json_object", jsonSchema: schema } });
      return { object: JSON.parse(text(response)) };
    },
  };
}
