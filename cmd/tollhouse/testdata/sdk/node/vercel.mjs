// The Vercel AI SDK, with its provider packages: one interface over seven clients.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createCohere } from "@ai-sdk/cohere";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool as makeTool } from "ai";
import { schema, tool } from "./weather.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false; // they go to where the report goes

const providers = {
  "@ai-sdk/openai": (base, apiKey) => createOpenAI({ baseURL: `${base}/v1`, apiKey }).chat,
  "@ai-sdk/openai-compatible": (base, apiKey) =>
    createOpenAICompatible({ name: "tollhouse", baseURL: `${base}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
  "@ai-sdk/anthropic": (base, apiKey) => createAnthropic({ baseURL: `${base}/v1`, apiKey }),
  "@ai-sdk/google": (base, apiKey) => createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey }),
  "@ai-sdk/cohere": (base, apiKey) => createCohere({ baseURL: `${base}/v2`, apiKey }),
  "@ai-sdk/mistral": (base, apiKey) => createMistral({ baseURL: `${base}/v1`, apiKey }),
  "@ai-sdk/amazon-bedrock": (base, apiKey) => createAmazonBedrock({ baseURL: base, apiKey, region: "us-east-1" }),
};

export default function make({ base, key, model, name }) {
  const ask = (prompt) => ({ model: providers[name](base, key)(model), prompt, maxRetries: 0 });
  const offer = (prompt, execute) => ({
    ...ask(prompt),
    stopWhen: stepCountIs(3),
    tools: { [tool.name]: makeTool({ description: tool.description, inputSchema: jsonSchema(schema), execute }) },
  });
  const counts = (usage) => ({ input: usage.inputTokens, output: usage.outputTokens });
  const calls = (made) => made.map(({ toolName, input }) => ({ name: toolName, args: input }));
  // A stream's error comes as one of its parts.
  const read = async (stream, part) => {
    for await (const p of stream.fullStream) {
      if (p.type === "error") throw p.error;
      part(p);
    }
  };
  return {
    async text(prompt) {
      const { text, finishReason, usage } = await generateText(ask(prompt));
      return { text, finish: finishReason, ...counts(usage) };
    },
    async stream(prompt) {
      let chunks = 0;
      const stream = streamText({ ...ask(prompt), onError() {} });
      await read(stream, (p) => (chunks += p.type === "text-delta" ? 1 : 0));
      return { text: await stream.text, chunks, finish: await stream.finishReason, ...counts(await stream.usage) };
    },
    async tool(prompt) {
      const { steps, text } = await generateText(offer(prompt, async () => "rain"));
      return { calls: calls(steps[0].toolCalls), finish: steps[0].finishReason, text };
    },
    async toolStream(prompt) {
      const stream = streamText({ ...offer(prompt), onError() {} });
      await read(stream, () => {});
      return { calls: calls(await stream.toolCalls), finish: await stream.finishReason };
    },
    async schema(prompt) {
      const { output } = await generateText({ ...ask(prompt), output: Output.object({ schema: jsonSchema(schema), name: "place" }) });
      return { object: output };
    },
  };
}
