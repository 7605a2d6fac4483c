import Anthropic from "@anthropic-ai/sdk";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });
  const ask = (content) => ({ model, max_tokens: 100, messages: [{ role: "user", content }] });
  const offer = (content) => ({ ...ask(content), tools: [{ ...tool, input_schema: schema }] });
  const counts = (usage) => ({ input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0), output: usage.output_tokens });
  const text = (message) => message.content.map((block) => block.text ?? "").join("");
  const calls = (message) => message.content.filter((b) => b.type === "tool_use").map((b) => ({ name: b.name, args: b.input }));
  return {
    async text(prompt) {
      const message = await client.messages.create(ask(prompt));
      return { text: text(message), finish: message.stop_reason, ...counts(message.usage) };
    },
    async stream(prompt) {
      let chunks = 0;
      const stream = client.messages.stream(ask(prompt)).on("text", () => chunks++);
      const message = await stream.finalMessage();
      return { text: text(message), chunks, finish: message.stop_reason, ...counts(message.usage) };
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const message = await client.messages.create(asked);
      const { id } = message.content.find((block) => block.type === "tool_use");
      const result = { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "rain" }] };
      const said = { role: "assistant", content: message.content };
      const done = await client.messages.create({ ...asked, messages: [...asked.messages, said, result] });
      return { calls: calls(message), finish: message.stop_reason, text: text(done) };
    },
    async toolStream(prompt) {
      const message = await client.messages.stream(offer(prompt)).finalMessage();
      return { calls: calls(message), finish: message.stop_reason };
    },
    async schema(prompt) {
      const format = { type: "json_schema", schema };
      const message = await client.messages.create({ ...ask(prompt), output_config: { format } });
      return { object: JSON.parse(text(message)) };
    },
  };
}
