// OpenAI's SDK asks for responses, with nothing but base URL and key changed: whole, streamed, with a tool, and built upon each other.
import assert from "node:assert/strict";
import OpenAI from "openai";

const { GATEWAY, KEY } = process.env;
const openai = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });
const tools = [
  {
    type: "function", name: "weather", strict: false,
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

for (const model of ["gpt-4o", "claude-sonnet-4-5"]) {
  const whole = await openai.responses.create({ model, input: `mark:node-resp-${model}` });
  assert.equal(whole.output_text, `answer to node-resp-${model}`);
  assert.equal(whole.status, "completed");
  assert.ok(whole.usage.total_tokens > 0);

  let text = "";
  for await (const event of await openai.responses.create({ model, input: `mark:node-resp-s-${model} upstream: ping=1`, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.match(text, /^word 0 word 1 /);
  const final = await openai.responses.stream({ model, input: `mark:node-resp-f-${model}` }).finalResponse();
  assert.equal(final.output_text, text);
  assert.ok(final.usage.total_tokens > 0);

  const asked = { model, tools, input: [{ role: "user", content: `mark:node-resp-t-${model}` }] };
  const streamed = await openai.responses.stream(asked).finalResponse();
  const called = await openai.responses.create(asked);
  for (const { output } of [streamed, called]) {
    assert.equal(output.at(-1).type, "function_call");
    assert.equal(output.at(-1).name, "weather");
    assert.deepEqual(JSON.parse(output.at(-1).arguments), { city: "Oslo" });
  }
  const done = await openai.responses.create({
    ...asked,
    input: [...asked.input, ...called.output, { type: "function_call_output", call_id: called.output.at(-1).call_id, output: "rain" }],
  });
  assert.equal(done.output_text, `answer to node-resp-t-${model}`);

  await assert.rejects(openai.responses.create({ model, input: `mark:node-resp-e-${model} upstream: status=400` }), OpenAI.BadRequestError);
  await assert.rejects(async () => {
    for await (const _ of await openai.responses.create({ model, input: `mark:node-resp-c-${model} upstream: cut=2`, stream: true }));
  }, /broke off|ended before/);
}

const first = await openai.responses.create({ model: "gpt-4o", input: "mark:node-resp-1" });
const second = await openai.responses.create({ model: "gpt-4o", input: "mark:node-resp-2", previous_response_id: first.id });
assert.equal(second.output_text, "answer to node-resp-2");
assert.equal((await openai.responses.retrieve(first.id)).output_text, "answer to node-resp-1");
await openai.responses.delete(first.id);
await assert.rejects(openai.responses.retrieve(first.id), OpenAI.NotFoundError);
await assert.rejects(
  openai.responses.create({ model: "claude-sonnet-4-5", input: "mark:node-resp-3", previous_response_id: second.id }),
  OpenAI.APIError,
);
console.log("all good");
