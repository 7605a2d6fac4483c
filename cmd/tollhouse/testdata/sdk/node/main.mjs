// Runs official SDKs against the gateway, with nothing but base URL and key changed, and writes what each saw: a line of JSON a case.
// The last argument is a list of {name, file, model, ...}; every file exports a function that makes the SDK's five calls.
const { GATEWAY: base, KEY: key } = process.env;
const runs = JSON.parse(process.argv.at(-1));

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// What an SDK throws, in the words that all of them have.
const failure = (e) => ({
  error: e.constructor.name,
  status: e.status ?? e.statusCode ?? e.$metadata?.httpStatusCode ?? 0,
  message: String(e.body?.message ?? e.message),
});

async function run({ name, file, model, tag }) {
  const { default: make } = await import(`./${file}.mjs`);
  const client = make({ base, key, model, name });
  const stranger = make({ base, key: "wrong", model, name });
  const cases = {
    text: (mark) => client.text(`${mark} upstream: same=1`),
    stream: (mark) => client.stream(`${mark} upstream: same=1 ping=1`),
    tool: (mark) => client.tool(mark),
    toolStream: (mark) => client.toolStream(mark),
    schema: (mark) => client.schema(mark),
    refused: (mark) => client.text(`${mark} upstream: status=400`),
    cut: (mark) => client.stream(`${mark} upstream: cut=2`),
    stranger: (mark) => stranger.text(mark),
  };
  for (const [kind, make] of Object.entries(cases)) {
    const mark = `${tag}-${kind}`;
    const saw = await make(`mark:${mark}`).catch(failure);
    report({ name, model, case: kind, mark, ...saw });
  }
}

await Promise.all(runs.map(run));
