import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new BedrockRuntimeClient({ region: "us-east-1", endpoint: base, token: { token: key }, authSchemePreference: ["httpBearerAuth"], maxAttempts: 1 });
  const ask = (text) => ({ modelId: model, messages: [{ role: "user", content: [{ text }] }] });
  const offer = (text) => ({ ...ask(text), toolConfig: { tools: [{ toolSpec: { ...tool, inputSchema: { json: schema } } }] } });
  const counts = (usage) => usage && { input: usage.inputTokens + (usage.cacheReadInputTokens ?? 0), output: usage.outputTokens };
  const text = ({ output: { message } }) => message.content.map((block) => block.text ?? "").join("");
  const calls = (content) => content.filter((b) => b.toolUse).map(({ toolUse: { name, input } }) => ({ name, args: input }));
  return {
    async text(prompt) {
      const response = await client.send(new ConverseCommand(ask(prompt)));
      return { text: text(response), finish: response.stopReason, ...counts(response.usage) };
    },
    async stream(prompt) {
      const saw = { text: "", chunks: 0 };
      const { stream } = await client.send(new ConverseStreamCommand(ask(prompt)));
      for await (const { contentBlockDelta, messageStop, metadata } of stream) {
        saw.chunks += contentBlockDelta ? 1 : 0;
        saw.text += contentBlockDelta?.delta.text ?? "";
        saw.finish = messageStop?.stopReason ?? saw.finish;
        Object.assign(saw, counts(metadata?.usage));
      }
      return saw;
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const { output: { message }, stopReason: finish } = await client.send(new ConverseCommand(asked));
      const { toolUseId } = message.content.find((block) => block.toolUse).toolUse;
      const result = { role: "user", content: [{ toolResult: { toolUseId, content: [{ text: "rain" }] } }] };
      const done = await client.send(new ConverseCommand({ ...asked, messages: [...asked.messages, message, result] }));
      return { calls: calls(message.content), finish, text: text(done) };
    },
    async toolStream(prompt) {
      const saw = {};
      let name, args = "";
      const { stream } = await client.send(new ConverseStreamCommand(offer(prompt)));
      for await (const { contentBlockStart, contentBlockDelta, messageStop } of stream) {
        name = contentBlockStart?.start?.toolUse?.name ?? name;
        args += contentBlockDelta?.delta.toolUse?.input ?? "";
        saw.finish = messageStop?.stopReason ?? saw.finish;
      }
      return { ...saw, calls: [{ name, args: JSON.parse(args) }] };
    },
    async schema(prompt) {
      const textFormat = { type: "json_schema", structure: { jsonSchema: { name: "place", schema: JSON.stringify(schema) } } };
      const response = await client.send(new ConverseCommand({ ...ask(prompt), outputConfig: { textFormat } }));
      return { object: JSON.parse(text(response)) };
    },
  };
}
