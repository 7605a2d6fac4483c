import json
import os
import threading

import boto3
from botocore.config import Config

from .weather import DESCRIPTION, NAME, SCHEMA

TOOLS = {"tools": [{"toolSpec": {"name": NAME, "description": DESCRIPTION, "inputSchema": {"json": SCHEMA}}}]}
FORMAT = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "place", "schema": json.dumps(SCHEMA)}}}}
making = threading.Lock()  # the key is read from the environment


def counts(usage):
    return {"input": usage["inputTokens"] + usage.get("cacheReadInputTokens", 0), "output": usage["outputTokens"]}


def seen(response):
    content = response["output"]["message"]["content"]
    return {
        "text": "".join(b.get("text", "") for b in content),
        "calls": [{"name": b["toolUse"]["name"], "args": b["toolUse"]["input"]} for b in content if "toolUse" in b],
        "finish": response["stopReason"],
        **counts(response["usage"]),
    }


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        with making:
            os.environ["AWS_BEARER_TOKEN_BEDROCK"] = key
            config = Config(retries={"total_max_attempts": 1})
            self.client = boto3.Session(region_name="us-east-1").client("bedrock-runtime", endpoint_url=base, config=config)

    def ask(self, prompt):
        return {"modelId": self.model, "messages": [{"role": "user", "content": [{"text": prompt}]}]}

    def read(self, asked):
        saw = {"text": "", "chunks": 0}
        name, args = "", ""
        for event in self.client.converse_stream(**asked)["stream"]:
            if "contentBlockStart" in event:
                name = event["contentBlockStart"]["start"].get("toolUse", {}).get("name", name)
            elif "contentBlockDelta" in event:
                delta = event["contentBlockDelta"]["delta"]
                saw["text"] += delta.get("text", "")
                saw["chunks"] += 1
                args += delta.get("toolUse", {}).get("input", "")
            elif "messageStop" in event:
                saw["finish"] = event["messageStop"]["stopReason"]
            elif "metadata" in event:
                saw.update(counts(event["metadata"]["usage"]))
        return {**saw, "calls": [{"name": name, "args": json.loads(args)}] if name else []}

    def text(self, prompt):
        return seen(self.client.converse(**self.ask(prompt)))

    def stream(self, prompt):
        return self.read(self.ask(prompt))

    def tool(self, prompt):
        asked = {**self.ask(prompt), "toolConfig": TOOLS}
        response = self.client.converse(**asked)
        message = response["output"]["message"]
        use = next(b["toolUse"] for b in message["content"] if "toolUse" in b)
        result = {"toolUseId": use["toolUseId"], "content": [{"text": "rain"}]}
        asked["messages"] = [*asked["messages"], message, {"role": "user", "content": [{"toolResult": result}]}]
        return {**seen(response), "text": seen(self.client.converse(**asked))["text"]}

    def tool_stream(self, prompt):
        return self.read({**self.ask(prompt), "toolConfig": TOOLS})

    def schema(self, prompt):
        return {"object": json.loads(seen(self.client.converse(**self.ask(prompt), outputConfig=FORMAT))["text"])}
