import { Mistral } from "@mistralai/mistralai";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new Mistral({ serverURL: base, apiKey: key });
  const ask = (content) => ({ model, messages: [{ role: "user", content }] });
  const offer = (content) => ({ ...ask(content), tools: [{ type: "function", function: { ...tool, parameters: schema } }] });
  const counts = (usage) => usage && { input: usage.promptTokens, output: usage.completionTokens };
  const call = ({ function: { name, arguments: args } }) => ({ name, args: typeof args === "string" ? JSON.parse(args) : args });
  return {
    async text(prompt) {
      const { choices: [choice], usage } = await client.chat.complete(ask(prompt));
      return { text: choice.message.content, finish: choice.finishReason, ...counts(usage) };
    },
    async stream(prompt) {
      const saw = { text: "", chunks: 0 };
      for await (const { data } of await client.chat.stream(ask(prompt))) {
        const [choice] = data.choices;
        saw.chunks += choice?.delta.content ? 1 : 0;
        saw.text += choice?.delta.content ?? "";
        saw.finish = choice?.finishReason ?? saw.finish;
        Object.assign(saw, counts(data.usage));
      }
      return saw;
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const { choices: [{ message, finishReason: finish }] } = await client.chat.complete(asked);
      const result = { role: "tool", toolCallId: message.toolCalls[0].id, name: "weather", content: "rain" };
      const done = await client.chat.complete({ ...asked, messages: [...asked.messages, message, result] });
      return { calls: message.toolCalls.map(call), finish, text: done.choices[0].message.content };
    },
    async toolStream(prompt) {
      const saw = {};
      let name = "", args = "";
      for await (const { data } of await client.chat.stream(offer(prompt))) {
        const [choice] = data.choices;
        for (const { function: f } of choice?.delta.toolCalls ?? []) {
          name += f.name;
          args += f.arguments;
        }
        saw.finish = choice?.finishReason ?? saw.finish;
      }
      return { ...saw, calls: [{ name, args: JSON.parse(args) }] };
    },
    async schema(prompt) {
      const responseFormat = { type: "json_schema", jsonSchema: { name: "place", strict: true, schemaDefinition: schema } };
      const { choices: [choice] } = await client.chat.complete({ ...ask(prompt), responseFormat });
      return { object: JSON.parse(choice.message.content) };
    },
  };
}
