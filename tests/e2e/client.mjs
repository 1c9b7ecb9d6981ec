// The published openai package for Node against a real Slipway. Prints one "ok NAME" a case; exits 1 at the first failure.
// usage: node client.mjs BASE_URL MODEL   (NODE_PATH does not work for ES modules: run it from the client folder)
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0, timeout: 120_000 });
const messages = [{ role: "user", content: "Count to three." }];
const schema = {
  type: "object",
  properties: { colour: { enum: ["red", "green", "blue"] } },
  required: ["colour"],
  additionalProperties: false,
};
const tools = [
  { type: "function", function: { name: "add", parameters: {
    type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } }, required: ["a", "b"] } } },
];

const cases = {
  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert(ids.includes(model));
  },
  async chat() {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 16 });
    assert(answer.choices[0].message.content.length > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },
  async "stream helper"() {
    const stream = client.chat.completions.stream({ model, messages, max_tokens: 16 });
    let pieces = 0;
    stream.on("content", () => pieces++);
    const final = await stream.finalChatCompletion();
    assert(pieces > 0 && final.choices[0].message.content.length > 0);
  },
  async "json schema"() {
    const answer = await client.chat.completions.create({
      model, messages, max_tokens: 100,
      response_format: { type: "json_schema", json_schema: { name: "c", strict: true, schema } },
    });
    assert(["red", "green", "blue"].includes(JSON.parse(answer.choices[0].message.content).colour));
  },
  async tools() {
    const answer = await client.chat.completions.create({ model, messages, tools, tool_choice: "required", max_tokens: 200 });
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, "add");
    assert(Number.isInteger(JSON.parse(call.function.arguments).a));
  },
  async logprobs() {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 3, logprobs: true, top_logprobs: 2 });
    assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model, input: ["one", "two"] }); // asks for base64
    assert.equal(answer.data.length, 2);
    assert(answer.data[0].embedding.length > 100);
  },
  async cancel() {
    const stream = await client.chat.completions.create({ model, messages, max_tokens: 1000, stream: true });
    for await (const _ of stream) { stream.controller.abort(); break; }
  },
  async "unknown model"() {
    await assert.rejects(client.chat.completions.create({ model: "nope", messages }), (e) => e.status === 404 && e.error.symbol === "unknown_model");
  },
  async "wrong field"() {
    await assert.rejects(client.chat.completions.create({ model, messages, temperature: "hot" }), (e) => e.status === 400 && e.param === "temperature");
  },
};

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAILED ${name}`);
    console.error(error);
    process.exit(1);
  }
}
