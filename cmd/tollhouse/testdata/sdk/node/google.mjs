import { GoogleGenAI } from "@google/genai";
import { schema, tool } from "./weather.mjs";

export default function make({ base, key, model }) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
  const ask = (contents, config) => ({ model, contents, config });
  const offer = (contents) => ask(contents, { tools: [{ functionDeclarations: [{ ...tool, parametersJsonSchema: schema }] }] });
  const counts = (usage) => usage && { input: usage.promptTokenCount, output: usage.candidatesTokenCount };
  const calls = (response) => response.functionCalls?.map(({ name, args }) => ({ name, args })) ?? [];
  return {
    async text(prompt) {
      const response = await client.models.generateContent(ask(prompt));
      return { text: response.text, finish: response.candidates[0].finishReason, ...counts(response.usageMetadata) };
    },
    async stream(prompt) {
      const saw = { text: "", chunks: 0 };
      for await (const chunk of await client.models.generateContentStream(ask(prompt))) {
        saw.chunks += chunk.text ? 1 : 0;
        saw.text += chunk.text ?? "";
        saw.finish = chunk.candidates?.[0].finishReason ?? saw.finish;
        Object.assign(saw, counts(chunk.usageMetadata));
      }
      return saw;
    },
    async tool(prompt) {
      const asked = offer(prompt);
      const response = await client.models.generateContent(asked);
      const [{ id, name }] = response.functionCalls;
      const contents = [
        { role: "user", parts: [{ text: prompt }] },
        response.candidates[0].content,
        { role: "user", parts: [{ functionResponse: { id, name, response: { output: "rain" } } }] },
      ];
      const done = await client.models.generateContent({ ...asked, contents });
      return { calls: calls(response), finish: response.candidates[0].finishReason, text: done.text };
    },
    async toolStream(prompt) {
      const saw = { calls: [] };
      for await (const chunk of await client.models.generateContentStream(offer(prompt))) {
        saw.calls.push(...calls(chunk));
        saw.finish = chunk.candidates?.[0].finishReason ?? saw.finish;
      }
      return saw;
    },
    async schema(prompt) {
      const config = { responseMimeType: "application/json", responseJsonSchema: schema };
      const response = await client.models.generateContent(ask(prompt, config));
      return { object: JSON.parse(response.text) };
    },
  };
}
