// The tool that is offered, and the schema of its arguments, which is also that of structured answers.
export const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const tool = { name: "weather", description: "The weather now" };
