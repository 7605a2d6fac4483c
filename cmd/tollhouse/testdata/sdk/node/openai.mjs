import OpenAI from "openai";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
  const ask = (content) => ({ model, messages: [{ role: "user", content }] });
  const offer = (content) => ({ ...ask(content), tools: [{ type: "function", function: { ...tool, parameters: schema, strict: true } }] });
  const counts = (usage) => ({ input: usage.prompt_tokens, output: usage.completion_tokens });
  const calls = (message) => message.tool_calls.map(({ function: f }) => ({ name: f.name, args: JSON.parse(f.arguments) }));
  return {
    async text(prompt) {
      const { choices: [choice], usage } = await client.chat.completions.create(ask(prompt));
      return { text: choice.message.content, finish: choice.finish_reason, ...counts(usage) };
    },
    async stream(prompt) {
      const saw = { text: "", chunks: 0 };
      const options = { stream: true, stream_options: { include_usage: true } };
      for await (const { choices: [choice], usage } of await client.chat.completions.create({ ...ask(prompt), ...options })) {
        saw.chunks += choice?.delta.content ? 1 : 0;
        saw.text += choice?.delta.content ?? "";
        saw.finish = choice?.finish_reason ?? saw.finish;
        Object.assign(saw, usage && counts(usage));
      }
      return saw;
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const { choices: [{ message, finish_reason: finish }] } = await client.chat.completions.create(asked);
      const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "rain" };
      const done = await client.chat.completions.create({ ...asked, messages: [...asked.messages, message, result] });
      return { calls: calls(message), finish, text: done.choices[0].message.content };
    },
    async toolStream(prompt) {
      const { choices: [choice] } = await client.chat.completions.stream(offer(prompt)).finalChatCompletion();
      return { calls: calls(choice.message), finish: choice.finish_reason };
    },
    async schema(prompt) {
      const response_format = { type: "json_schema", json_schema: { name: "place", strict: true, schema } };
      const { choices: [choice] } = await client.chat.completions.create({ ...ask(prompt), response_format });
      return { object: JSON.parse(choice.message.content) };
    },
  };
}
