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
// A tool is called and its result handed back, with a provider of the SDK's own dialect and with one of another.
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
for (const model of ["gpt-4o", "claude-sonnet-4-5"]) {
  const asked = { ...ask(`mark:node-tool-${model}`), model, tools: [{ type: "function", function: { name: "weather", parameters: schema } }] };
  const streamed = await openai.chat.completions.stream(asked).finalChatCompletion();
  const called = await openai.chat.completions.create(asked);
  for (const choice of [streamed.choices[0], called.choices[0]]) {
    assert.equal(choice.finish_reason, "tool_calls");
    assert.equal(choice.message.tool_calls[0].function.name, "weather");
    assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), { city: "Oslo" });
  }
  const { message: said } = called.choices[0];
  const done = await openai.chat.completions.create({
    ...asked,
    messages: [...asked.messages, said, { role: "tool", tool_call_id: said.tool_calls[0].id, content: "rain" }],
  });
  assert.equal(done.choices[0].message.content, `answer to node-tool-${model}`);
}
for (const model of ["claude-sonnet-4-5", "gpt-4o"]) {
  const asked = { ...message(`mark:node-tool-a-${model}`), model, tools: [{ name: "weather", input_schema: schema }] };
  const streamed = await anthropic.messages.stream(asked).finalMessage();
  const called = await anthropic.messages.create(asked);
  for (const m of [streamed, called]) {
    assert.equal(m.stop_reason, "tool_use");
    assert.deepEqual({ name: m.content.at(-1).name, input: m.content.at(-1).input }, { name: "weather", input: { city: "Oslo" } });
  }
  const done = await anthropic.messages.create({
    ...asked,
    messages: [
      ...asked.messages,
      { role: "assistant", content: called.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: called.content.at(-1).id, content: "rain" }] },
    ],
  });
  assert.equal(done.content[0].text, `answer to node-tool-a-${model}`);
}
console.log("all good");
