// The official SDKs against the gateway, with nothing but base URL and key changed.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { GATEWAY, KEY } = process.env;
const openai = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0 });
const ask = (content) => ({ model: "gpt-4o", messages: [{ role: "user", content }] });
const message = (content) => ({ model: "claude-sonnet-4-5", max_tokens: 100, messages: [{ role: "user", content }] });

const whole = await openai.chat.completions.create(ask("mark:node-openai"));
assert.equal(whole.choices[0].message.content, "answer to node-openai");
assert.ok(whole.usage.total_tokens > 0);

let text = "";
for await (const chunk of await openai.chat.completions.create({ ...ask("mark:node-openai-s"), stream: true })) {
  assert.equal(chunk.choices.length, 1, "a usage chunk that nobody asked for");
  text += chunk.choices[0].delta.content ?? "";
}
assert.match(text, /^word 0 word 1 /);

await assert.rejects(openai.chat.completions.create(ask("mark:node-openai-e upstream: status=400")), OpenAI.BadRequestError);
await assert.rejects(
  new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "wrong", maxRetries: 0 }).chat.completions.create(ask("x")),
  OpenAI.AuthenticationError,
);
await assert.rejects(async () => {
  for await (const _ of await openai.chat.completions.create({ ...ask("mark:node-openai-cut upstream: cut=2"), stream: true }));
}, /broke off|ended before/);

const answer = await anthropic.messages.create(message("mark:node-anthropic"));
assert.equal(answer.content[0].text, "answer to node-anthropic");
assert.ok(answer.usage.output_tokens > 0);

const final = await anthropic.messages.stream(message("mark:node-anthropic-s upstream: ping=1")).finalMessage();
assert.match(final.content[0].text, /^word 0 word 1 /);
assert.equal(final.stop_reason, "end_turn");

await assert.rejects(anthropic.messages.create(message("mark:node-anthropic-e upstream: status=400")), Anthropic.BadRequestError);
console.log("all good");
