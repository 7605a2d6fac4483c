// The official SDKs of Google, Cohere and AWS read the answers of the golden matrix, whole and streamed, and print what they read: a line
// for each case that stands on standard input, of which the server answers each under a path of its own.
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { GoogleGenAI } from "@google/genai";
import { CohereClientV2 } from "cohere-ai";

const { SERVER } = process.env;

const readers = {
  async gemini(base, stream) {
    const { models } = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: base } });
    const ask = { model: "m", contents: "Hi" };
    const saw = { text: "", thoughts: "", calls: [] };
    const read = ({ candidates }) => {
      for (const part of candidates?.[0]?.content?.parts ?? []) {
        if (part.thought) saw.thoughts += part.text ?? "";
        else saw.text += part.text ?? "";
        if (part.functionCall) saw.calls.push(part.functionCall.name + JSON.stringify(part.functionCall.args ?? {}));
      }
      saw.finish = candidates?.[0]?.finishReason ?? saw.finish;
    };
    if (!stream) read(await models.generateContent(ask));
    else for await (const chunk of await models.generateContentStream(ask)) read(chunk);
    return saw;
  },
  async cohere(base, stream) {
    const client = new CohereClientV2({ token: "k", baseUrl: base, maxRetries: 0 });
    const ask = { model: "m", messages: [{ role: "user", content: "Hi" }] };
    const saw = { text: "", thoughts: "", calls: [] };
    if (!stream) {
      const { message, finishReason } = await client.chat(ask);
      for (const block of message.content ?? []) {
        saw.text += block.text ?? "";
        saw.thoughts += block.thinking ?? "";
      }
      for (const { function: f } of message.toolCalls ?? []) saw.calls.push(f.name + JSON.stringify(JSON.parse(f.arguments)));
      return { ...saw, finish: finishReason };
    }
    const begun = [];
    for await (const event of await client.chatStream(ask)) {
      if (event.type === "content-delta") {
        saw.text += event.delta.message.content.text ?? "";
        saw.thoughts += event.delta.message.content.thinking ?? "";
      }
      if (event.type === "tool-call-start") begun.push({ ...event.delta.message.toolCalls.function });
      if (event.type === "tool-call-delta") begun.at(-1).arguments += event.delta.message.toolCalls.function.arguments;
      if (event.type === "message-end") saw.finish = event.delta.finishReason;
    }
    return { ...saw, calls: begun.map((f) => f.name + JSON.stringify(JSON.parse(f.arguments))) };
  },
  async bedrock_converse(base, stream) {
    const client = new BedrockRuntimeClient({
      region: "us-east-1", endpoint: base, token: { token: "k" }, authSchemePreference: ["httpBearerAuth"], maxAttempts: 1,
    });
    const ask = { modelId: "m", messages: [{ role: "user", content: [{ text: "Hi" }] }] };
    const saw = { text: "", thoughts: "", calls: [] };
    if (!stream) {
      const { output, stopReason } = await client.send(new ConverseCommand(ask));
      for (const block of output.message.content) {
        saw.text += block.text ?? "";
        saw.thoughts += block.reasoningContent?.reasoningText?.text ?? "";
        if (block.toolUse) saw.calls.push(block.toolUse.name + JSON.stringify(block.toolUse.input));
      }
      return { ...saw, finish: stopReason };
    }
    const begun = new Map();
    for await (const event of (await client.send(new ConverseStreamCommand(ask))).stream) {
      const { contentBlockStart: start, contentBlockDelta: delta, messageStop } = event;
      if (start?.start?.toolUse) begun.set(start.contentBlockIndex, { name: start.start.toolUse.name, args: "" });
      saw.text += delta?.delta.text ?? "";
      saw.thoughts += delta?.delta.reasoningContent?.text ?? "";
      if (delta?.delta.toolUse) begun.get(delta.contentBlockIndex).args += delta.delta.toolUse.input;
      saw.finish = messageStop?.stopReason ?? saw.finish;
    }
    return { ...saw, calls: [...begun.values()].map(({ name, args }) => name + JSON.stringify(JSON.parse(args || "{}"))) };
  },
};

let input = "";
for await (const piece of process.stdin) input += piece;
for (const [i, { client, stream }] of JSON.parse(input).entries()) {
  try {
    console.log(JSON.stringify(await readers[client](`${SERVER}/${i}`, stream)));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error.name}: ${error.message}` }));
  }
}
